package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kgo"

	. "ottla/compat/report"
)

// member is a consumer of a group, in a process of its own. It writes `own GENERATION PARTITION...` for each assignment
// it is given, `begin PARTITION...` for what is new in it, and `read PARTITION OFFSET VALUE` for each record before it
// commits; it leaves when stdin ends.
func member(kind, bootstrap, topic, group, path string) {
	out := &output{file: Get(os.Create(path))}
	running, stop := context.WithCancel(ctx)
	go func() {
		io.Copy(io.Discard, os.Stdin)
		stop()
	}()
	switch kind {
	case "franz-eager":
		franz(running, out, bootstrap, topic, group, kgo.Balancers(kgo.RoundRobinBalancer()))
	case "franz-cooperative":
		franz(running, out, bootstrap, topic, group, kgo.Balancers(kgo.CooperativeStickyBalancer()))
	case "franz-consumer":
		franz(running, out, bootstrap, topic, group, kgo.ServerSideBalancer())
	case "sarama":
		withSarama(running, out, bootstrap, topic, group)
	default:
		panic("no such kind of member: " + kind)
	}
}

// output is used by one goroutine at a time: a member's callbacks and its reading take turns.
type output struct {
	file *os.File
	// What was written for a generation last, so that nothing is written twice.
	last string
}

func (out *output) own(generation int32, partitions []int32) {
	slices.Sort(partitions)
	line := fmt.Sprintln("own", generation, strings.Trim(fmt.Sprint(partitions), "[]"))
	if line != out.last {
		Get(out.file.WriteString(line))
		out.last = line
	}
}

// begin is called before the first of the partitions' records is read by this assignment.
func (out *output) begin(partitions []int32) {
	Get(fmt.Fprintln(out.file, "begin", strings.Trim(fmt.Sprint(partitions), "[]")))
}

func franz(running context.Context, out *output, bootstrap, topic, group string, protocol ...kgo.Opt) {
	owned := map[int32]bool{}
	tell := func(client *kgo.Client) {
		_, generation := client.GroupMetadata()
		var partitions []int32
		for partition := range owned {
			partitions = append(partitions, partition)
		}
		out.own(generation, partitions)
	}
	give := func(_ context.Context, _ *kgo.Client, taken map[string][]int32) {
		for _, partition := range taken[topic] {
			delete(owned, partition)
		}
	}
	options := append(protocol, kgo.SeedBrokers(bootstrap), kgo.ConsumerGroup(group), kgo.ConsumeTopics(topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.DisableAutoCommit(), kgo.BlockRebalanceOnPoll(),
		kgo.SessionTimeout(6*time.Second), kgo.HeartbeatInterval(500*time.Millisecond), kgo.FetchMaxWait(200*time.Millisecond),
		kgo.RetryBackoffFn(func(int) time.Duration { return 100 * time.Millisecond }),
		kgo.OnPartitionsAssigned(func(_ context.Context, client *kgo.Client, added map[string][]int32) {
			for _, partition := range added[topic] {
				owned[partition] = true
			}
			out.begin(added[topic])
			tell(client)
		}),
		kgo.OnPartitionsRevoked(give), kgo.OnPartitionsLost(give))
	client := Get(kgo.NewClient(options...))
	for running.Err() == nil {
		// Not for ever where there is nothing to read: what could not be committed is tried again.
		waiting, enough := context.WithTimeout(running, time.Second)
		fetches := client.PollRecords(waiting, 1000)
		enough()
		lines := bufio.NewWriter(out.file)
		fetches.EachRecord(func(record *kgo.Record) {
			fmt.Fprintln(lines, "read", record.Partition, record.Offset, string(record.Value))
		})
		Must(lines.Flush())
		// An error here: the broker is down or the group has changed. It is tried again, by this member or, after it
		// has read the same, by another.
		limit, cancel := context.WithTimeout(ctx, 5*time.Second)
		client.CommitUncommittedOffsets(limit)
		cancel()
		client.AllowRebalance()
	}
	client.Close()
}

type handler struct{ out *output }

func (h handler) Setup(session sarama.ConsumerGroupSession) error {
	for _, partitions := range session.Claims() {
		h.out.own(session.GenerationID(), partitions)
		h.out.begin(partitions)
	}
	return nil
}

func (handler) Cleanup(sarama.ConsumerGroupSession) error { return nil }

// ConsumeClaim runs for several partitions at once; a line is written in one call, so lines stay whole.
func (h handler) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for {
		select {
		case record, more := <-claim.Messages():
			if !more {
				return nil
			}
			fmt.Fprintln(h.out.file, "read", record.Partition, record.Offset, string(record.Value))
			session.MarkMessage(record, "")
		case <-session.Context().Done():
			return nil
		}
	}
}

func withSarama(running context.Context, out *output, bootstrap, topic, group string) {
	config := sarama.NewConfig()
	config.Version = sarama.V3_0_0_0
	config.Consumer.Offsets.Initial = sarama.OffsetOldest
	config.Consumer.Offsets.AutoCommit.Interval = 200 * time.Millisecond
	config.Consumer.Group.Session.Timeout = 6 * time.Second
	config.Consumer.Group.Heartbeat.Interval = 500 * time.Millisecond
	config.Consumer.Group.Rebalance.Timeout = 6 * time.Second
	config.Consumer.Group.Rebalance.GroupStrategies = []sarama.BalanceStrategy{sarama.NewBalanceStrategyRoundRobin()}
	config.Consumer.MaxWaitTime = 200 * time.Millisecond
	config.Metadata.Retry.Backoff = 100 * time.Millisecond
	for running.Err() == nil {
		consumer, err := sarama.NewConsumerGroup([]string{bootstrap}, group, config)
		if err != nil {
			// The broker is down.
			time.Sleep(200 * time.Millisecond)
			continue
		}
		for running.Err() == nil {
			if consumer.Consume(running, []string{topic}, handler{out}) != nil {
				time.Sleep(200 * time.Millisecond)
			}
		}
		consumer.Close()
	}
}
