package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// The names of the topics that one run is about: `-topic` alone, or with a number behind it.
func topicNames() []string {
	if *topics <= 1 {
		return []string{*topic}
	}
	names := make([]string, *topics)
	for i := range names {
		names[i] = fmt.Sprintf("%s-%d", *topic, i)
	}
	return names
}

func allPartitions() map[string][]int32 {
	all := make(map[string][]int32)
	for _, name := range topicNames() {
		for partition := range int32(*partitions) {
			all[name] = append(all[name], partition)
		}
	}
	return all
}

// Waits until the ends of all partitions are told: they are created, recovered and led. It may begin
// before there is a broker.
func served(ctx context.Context) (Result, error) {
	client, err := kgo.NewClient(
		kgo.SeedBrokers(*broker),
		kgo.MetadataMinAge(20*time.Millisecond),
		kgo.RequestRetries(0),
	)
	if err != nil {
		return Result{}, err
	}
	defer client.Close()
	start := time.Now()
	for {
		count, err := countServed(ctx, client)
		if err == nil && count == *topics**partitions {
			return Result{
				Records: int64(count), Seconds: time.Since(start).Seconds(), AckedUnixNano: time.Now().UnixNano(),
			}, nil
		}
		if ctx.Err() != nil {
			return Result{}, fmt.Errorf("%d of %d partitions are served: %w", count, *topics**partitions, err)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func countServed(ctx context.Context, client *kgo.Client) (int, error) {
	request := kmsg.NewPtrListOffsetsRequest()
	request.ReplicaID = -1
	for name, partitions := range allPartitions() {
		topic := kmsg.NewListOffsetsRequestTopic()
		topic.Topic = name
		for _, partition := range partitions {
			wanted := kmsg.NewListOffsetsRequestTopicPartition()
			wanted.Partition = partition
			wanted.Timestamp = -1
			topic.Partitions = append(topic.Partitions, wanted)
		}
		request.Topics = append(request.Topics, topic)
	}
	// To the one broker directly: what it does not know yet is an answer, not a reason to look elsewhere.
	response, err := request.RequestWith(ctx, client.SeedBrokers()[0])
	if err != nil {
		return 0, err
	}
	count := 0
	for _, topic := range response.Topics {
		for _, partition := range topic.Partitions {
			if err = kerr.ErrorForCode(partition.ErrorCode); err == nil {
				count++
			}
		}
	}
	return count, err
}

// Asks for the metadata of all topics, as every client does at its start; the last of a few times.
func metadata(ctx context.Context) (Result, error) {
	client, err := kgo.NewClient(kgo.SeedBrokers(*broker))
	if err != nil {
		return Result{}, err
	}
	defer client.Close()
	var result Result
	for range 5 {
		start := time.Now()
		request := kmsg.NewPtrMetadataRequest()
		response, err := request.RequestWith(ctx, client.SeedBrokers()[0])
		if err != nil {
			return Result{}, err
		}
		result = Result{Seconds: time.Since(start).Seconds()}
		for _, topic := range response.Topics {
			result.Records += int64(len(topic.Partitions))
		}
	}
	return result, nil
}

// A steady rate of records over all partitions in turn: each has a record once in partitions/rate
// seconds, in a batch of its own.
func busy(ctx context.Context) (Result, error) {
	client, err := kgo.NewClient(append(producerOptions(),
		kgo.ProducerLinger(0), kgo.RecordPartitioner(kgo.ManualPartitioner()))...)
	if err != nil {
		return Result{}, err
	}
	defer client.Close()
	values := values(*size)
	names := topicNames()
	record := func(i int) *kgo.Record {
		place := i % (*topics * *partitions)
		return &kgo.Record{
			Topic: names[place / *partitions], Partition: int32(place % *partitions), Value: values[i%len(values)],
		}
	}
	var failed atomic.Pointer[error]
	note := func(err error) {
		if err != nil {
			failed.CompareAndSwap(nil, &err)
		}
	}
	// What comes first to a partition opens it and makes its folder durable: told apart.
	start := time.Now()
	for i := range max(*topics**partitions, 1000) {
		client.Produce(ctx, record(i), func(_ *kgo.Record, err error) { note(err) })
	}
	if err := client.Flush(ctx); err != nil {
		return Result{}, err
	}
	if err := failed.Load(); err != nil {
		return Result{}, *err
	}
	firstUse := time.Since(start).Seconds()
	if *duration == 0 {
		return Result{Records: int64(*topics * *partitions), FirstUseSeconds: firstUse}, nil
	}
	before := brokerCPUSeconds()
	result, err := ackLatency(ctx, client, record)
	result.FirstUseSeconds = firstUse
	result.BrokerCPUSeconds = brokerCPUSeconds() - before
	return result, err
}

// A group of one consumer over all partitions; how long until it has the first record of each, and then
// how it idles for `-duration`.
func group(ctx context.Context) (Result, error) {
	client, err := kgo.NewClient(
		kgo.SeedBrokers(*broker),
		kgo.ConsumeTopics(topicNames()...),
		kgo.ConsumerGroup(*topic+"-group"),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.MetadataMinAge(20*time.Millisecond),
	)
	if err != nil {
		return Result{}, err
	}
	defer client.Close()
	start := time.Now()
	seen := make(map[string]map[int32]bool)
	count := 0
	for count < *topics**partitions {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return Result{}, fmt.Errorf("after %d of %d partitions: %w", count, *topics**partitions, err)
		}
		fetches.EachRecord(func(record *kgo.Record) {
			if seen[record.Topic] == nil {
				seen[record.Topic] = make(map[int32]bool)
			}
			if !seen[record.Topic][record.Partition] {
				seen[record.Topic][record.Partition] = true
				count++
			}
		})
	}
	result := Result{Records: int64(count), Seconds: time.Since(start).Seconds()}
	if err := client.CommitUncommittedOffsets(ctx); err != nil {
		return Result{}, err
	}
	before := brokerCPUSeconds()
	idle, cancel := context.WithTimeout(ctx, *duration)
	defer cancel()
	for idle.Err() == nil {
		client.PollFetches(idle)
	}
	result.BrokerCPUSeconds = brokerCPUSeconds() - before
	return result, nil
}

// A consumer of all partitions that has all there is, while one of them is written at a steady rate: what a record costs the
// broker when the others have none.
func follow(ctx context.Context) (Result, error) {
	offsets := make(map[string]map[int32]kgo.Offset)
	for name, partitions := range allPartitions() {
		offsets[name] = make(map[int32]kgo.Offset)
		for _, partition := range partitions {
			offsets[name][partition] = kgo.NewOffset().AtEnd()
		}
	}
	var answers fetchAnswers
	consumer, err := kgo.NewClient(
		kgo.SeedBrokers(*broker), kgo.ConsumePartitions(offsets), kgo.WithHooks(&answers))
	if err != nil {
		return Result{}, err
	}
	defer consumer.Close()
	producer, err := kgo.NewClient(append(producerOptions(),
		kgo.ProducerLinger(0), kgo.RecordPartitioner(kgo.ManualPartitioner()))...)
	if err != nil {
		return Result{}, err
	}
	defer producer.Close()
	values := values(*size)
	name := topicNames()[0]
	record := func(i int) *kgo.Record { return &kgo.Record{Topic: name, Value: values[i%len(values)]} }
	var got atomic.Int64
	failed := make(chan error, 1)
	go func() {
		for ctx.Err() == nil {
			fetches := consumer.PollFetches(ctx)
			if err := fetches.Err(); err != nil {
				failed <- err
				return
			}
			got.Add(int64(fetches.NumRecords()))
		}
	}()
	// The consumer has found all ends when it hears of one after the other.
	for heard := 0; heard < 20; {
		before := got.Load()
		if err := producer.ProduceSync(ctx, record(0)).FirstErr(); err != nil {
			return Result{}, err
		}
		time.Sleep(100 * time.Millisecond)
		if got.Load() == before+1 {
			heard++
		}
	}
	start, before, answered := got.Load(), brokerCPUSeconds(), answers.count.Load()
	result, err := ackLatency(ctx, producer, record)
	if err != nil {
		return Result{}, err
	}
	for got.Load() < start+result.Records {
		select {
		case err := <-failed:
			return Result{}, err
		case <-time.After(time.Millisecond):
		}
	}
	result.BrokerCPUSeconds = brokerCPUSeconds() - before
	result.Fetches = answers.count.Load() - answered
	return result, nil
}

// Counts answers to Fetch.
type fetchAnswers struct{ count atomic.Int64 }

func (it *fetchAnswers) OnBrokerRead(_ kgo.BrokerMetadata, key int16, _ int, _, _ time.Duration, _ error) {
	if key == kmsg.Fetch.Int16() {
		it.count.Add(1)
	}
}

// User and system time of the process that `-pid` names; 0 without it.
func brokerCPUSeconds() float64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", *pid))
	if err != nil {
		return 0
	}
	// The name in parentheses may itself hold spaces.
	_, rest, _ := strings.Cut(string(text), ") ")
	fields := strings.Fields(rest)
	if len(fields) < 13 {
		return 0
	}
	var user, system float64
	fmt.Sscan(fields[11], &user)
	fmt.Sscan(fields[12], &system)
	return (user + system) / 100 // the kernel's unit, on every architecture Linux runs on today
}
