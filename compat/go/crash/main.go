// A producer and consumers that go on while their broker is killed and started again. No poll skips a record or goes back.
//
//	crash work BOOTSTRAP TOPIC PARTITIONS ACKS   until stdin ends; every ack is a line in the file ACKS
//	crash verify BOOTSTRAP TOPIC PARTITIONS ACKS every ack is in the log: at its offset, in order, once
//	crash create BOOTSTRAP TOPIC PARTITIONS      creates a topic, and waits until it and groups are served
//	crash topics BOOTSTRAP TOPIC...              all of these exist
//	crash members BOOTSTRAP GROUP COUNT          waits until so many members share the group
package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"ottla/compat/dial"
	. "ottla/compat/report"
)

// Records that wait for their ack at once: bounds what is unknown when the broker is killed.
const inFlight = 2000

var ctx = context.Background()

func main() {
	command, bootstrap, topic := os.Args[1], os.Args[2], os.Args[3]
	switch command {
	case "work":
		work(bootstrap, topic, Get(strconv.Atoi(os.Args[4])), os.Args[5])
	case "verify":
		verify(bootstrap, topic, Get(strconv.Atoi(os.Args[4])), os.Args[5])
	case "create":
		create(bootstrap, topic, int32(Get(strconv.Atoi(os.Args[4]))))
	case "topics":
		known := Get(kadm.NewClient(dial.Client(bootstrap)).ListTopics(ctx))
		for _, name := range os.Args[3:] {
			Require(known.Has(name), "topic %s is gone", name)
		}
		fmt.Println(len(os.Args[3:]), "topics")
	case "members":
		count := Get(strconv.Atoi(os.Args[4]))
		admin := kadm.NewClient(dial.Client(bootstrap))
		Until("the members share the group", func() bool {
			described, err := admin.DescribeGroups(ctx, os.Args[3])
			return err == nil && described[os.Args[3]].State == "Stable" && len(described[os.Args[3]].Members) == count
		})
		fmt.Println(count, "members")
	default:
		panic("no such command: " + command)
	}
}

func create(bootstrap, topic string, partitions int32) {
	admin := kadm.NewClient(dial.Client(bootstrap))
	Must(Get(admin.CreateTopic(ctx, partitions, 1, nil, topic)).Err)
	Until("the topic is served", func() bool {
		offsets, err := admin.ListEndOffsets(ctx, topic)
		return err == nil && offsets.Error() == nil && len(offsets[topic]) == int(partitions)
	})
	// The first use of a group creates the topic of the offsets, which may take a while.
	Until("groups are served", func() bool {
		offsets, err := admin.FetchOffsets(ctx, topic)
		return err == nil && offsets.Error() == nil
	})
	fmt.Println("created", topic)
}

func work(bootstrap, topic string, partitions int, acks string) {
	file := Get(os.Create(acks))
	out := bufio.NewWriter(file)
	var writing sync.Mutex
	var acked, seen atomic.Int64

	// Small batches, so that a kill meets many at work.
	producer := dial.Client(bootstrap, kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerBatchMaxBytes(4096), kgo.MaxBufferedRecords(inFlight),
		kgo.RecordDeliveryTimeout(10*time.Minute))
	consumer := dial.Client(bootstrap, kgo.ConsumerGroup(topic+"-readers"), kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.AutoCommitInterval(200*time.Millisecond), kgo.FetchMaxWait(200*time.Millisecond))
	read := make(map[string]bool)
	var reading sync.Mutex
	go func() {
		for {
			fetches := consumer.PollFetches(ctx)
			if fetches.IsClientClosed() {
				return
			}
			reading.Lock()
			fetches.EachRecord(func(record *kgo.Record) {
				if !read[string(record.Value)] {
					read[string(record.Value)] = true
					seen.Add(1)
				}
			})
			reading.Unlock()
		}
	}()

	// Who has no group begins at the start, and nothing moves it: it polls every offset, one after the other.
	from := map[int32]kgo.Offset{}
	for partition := range int32(partitions) {
		from[partition] = kgo.NewOffset().At(0)
	}
	watcher := dial.Client(bootstrap, kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: from}), kgo.FetchMaxWait(200*time.Millisecond))
	var polled atomic.Int64
	go func() {
		next := map[int32]int64{}
		for {
			fetches := watcher.PollFetches(ctx)
			if fetches.IsClientClosed() {
				return
			}
			fetches.EachRecord(func(record *kgo.Record) {
				Require(record.Offset == next[record.Partition], "offset %d of partition %d is polled where %d is next", record.Offset, record.Partition, next[record.Partition])
				next[record.Partition]++
				polled.Add(1)
			})
		}
	}()

	stop := make(chan struct{})
	go func() {
		io.Copy(io.Discard, os.Stdin)
		close(stop)
	}()
	ticks := time.NewTicker(100 * time.Millisecond)
	sent := 0
	for running := true; running; {
		select {
		case <-stop:
			running = false
		case <-ticks.C:
			fmt.Println("acked", acked.Load())
		default:
			record := &kgo.Record{Topic: topic, Partition: int32(sent % partitions), Value: fmt.Append(nil, sent)}
			sent++
			producer.Produce(ctx, record, func(record *kgo.Record, err error) {
				Must(err)
				writing.Lock()
				defer writing.Unlock()
				fmt.Fprintln(out, record.Partition, record.Offset, string(record.Value))
				acked.Add(1)
			})
			if sent%50 == 0 {
				time.Sleep(2 * time.Millisecond)
			}
		}
	}
	Must(producer.Flush(ctx))
	writing.Lock()
	Must(out.Flush())
	Must(file.Close())
	writing.Unlock()
	Until("the consumer has read all", func() bool { return seen.Load() >= acked.Load() })
	Until("who has no group has polled all", func() bool { return polled.Load() >= acked.Load() })
	consumer.Close()
	watcher.Close()
	producer.Close()
	fmt.Println("acked", acked.Load(), "read", seen.Load())
}

func verify(bootstrap, topic string, partitions int, acks string) {
	ends := Get(kadm.NewClient(dial.Client(bootstrap)).ListEndOffsets(ctx, topic))
	offsets := map[int32]kgo.Offset{}
	total := int64(0)
	for partition := range int32(partitions) {
		offsets[partition] = kgo.NewOffset().AtStart()
		total += ends[topic][partition].Offset
	}
	consumer := dial.Client(bootstrap, kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: offsets}))
	defer consumer.Close()
	type place struct {
		partition int32
		offset    int64
	}
	log := map[place]string{}
	last := map[int32]int{}
	limit, cancel := context.WithTimeout(ctx, 10*time.Minute)
	defer cancel()
	for int64(len(log)) < total {
		fetches := consumer.PollFetches(limit)
		Require(limit.Err() == nil, "%d records of %d can be read", len(log), total)
		fetches.EachRecord(func(record *kgo.Record) {
			number := Get(strconv.Atoi(string(record.Value)))
			before, any := last[record.Partition]
			Require(!any || before < number, "partition %d has %d after %d: twice or out of order", record.Partition, number, before)
			last[record.Partition] = number
			log[place{record.Partition, record.Offset}] = string(record.Value)
		})
	}
	file := Get(os.Open(acks))
	defer file.Close()
	lines := bufio.NewScanner(file)
	count := 0
	for lines.Scan() {
		var at place
		var value string
		Get(fmt.Sscan(lines.Text(), &at.partition, &at.offset, &value))
		Require(log[at] == value, "acked as %s at %v, but there is %q", value, at, log[at])
		count++
	}
	Must(lines.Err())
	fmt.Println(count, "acked records are where they were acked, in order, once;", total-int64(count), "more are in the log")
}
