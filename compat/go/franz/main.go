// franz-go, with its admin client kadm. Arguments: bootstrap address, topic prefix.
package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"sort"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	. "ottla/compat/report"
)

const epoch = int64(1_700_000_000_000)

var (
	bootstrap, prefix string
	ctx               = context.Background()
	admin             *kadm.Client
)

// ---- shared steps -------------------------------------------------------------------------------

func client(options ...kgo.Opt) *kgo.Client {
	base := []kgo.Opt{kgo.SeedBrokers(bootstrap), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.MetadataMinAge(100 * time.Millisecond),
		kgo.RequestTimeoutOverhead(time.Minute), kgo.RetryTimeout(Limit)}
	return Get(kgo.NewClient(append(base, options...)...))
}

// A topic that keeps its records, which say that they are years old: a broker looks for such now and then.
func topic(name string, partitions int32, configs map[string]*string) string {
	name = prefix + name
	all := map[string]*string{"retention.ms": kadm.StringPtr("-1")}
	maps.Copy(all, configs)
	Must(Get(admin.CreateTopic(ctx, partitions, 1, all, name)).Err)
	Until(name+" is served", func() bool {
		offsets, err := admin.ListEndOffsets(ctx, name)
		return err == nil && offsets.Error() == nil && len(offsets[name]) == int(partitions)
	})
	return name
}

func errorName(err error) string {
	if err == nil {
		return "none"
	}
	var kafka *kerr.Error
	if errors.As(err, &kafka) {
		return kafka.Message
	}
	return err.Error()
}

func fill(topic string, partition int32, from, to int) {
	producer := client()
	defer producer.Close()
	var records []*kgo.Record
	for i := from; i < to; i++ {
		records = append(records, &kgo.Record{Topic: topic, Partition: partition, Key: fmt.Appendf(nil, "k%d", i), Value: fmt.Appendf(nil, "%d", i),
			Timestamp: time.UnixMilli(epoch + int64(i)*1000)})
	}
	Must(producer.ProduceSync(ctx, records...).FirstErr())
}

func read(consumer *kgo.Client, count int) []*kgo.Record {
	var records []*kgo.Record
	limit, cancel := context.WithTimeout(ctx, Limit)
	defer cancel()
	for len(records) < count {
		fetches := consumer.PollFetches(limit)
		Require(limit.Err() == nil, "got %d records of %d", len(records), count)
		fetches.EachError(func(topic string, partition int32, err error) { panic(err) })
		records = append(records, fetches.Records()...)
	}
	return records
}

func at(topic string, partitions int32, offset kgo.Offset, options ...kgo.Opt) *kgo.Client {
	offsets := map[int32]kgo.Offset{}
	for i := range partitions {
		offsets[i] = offset
	}
	return client(append(options, kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: offsets}), kgo.FetchMaxWait(200*time.Millisecond))...)
}

func readAll(topic string, partitions int32, count int) []*kgo.Record {
	consumer := at(topic, partitions, kgo.NewOffset().AtStart())
	defer consumer.Close()
	return read(consumer, count)
}

func value(record *kgo.Record) string { return string(record.Value) }

// ---- groups -------------------------------------------------------------------------------------

type member struct {
	client   *kgo.Client
	lock     sync.Mutex
	values   []string
	assigned map[int32]bool
	taken    int
	stopped  chan struct{}
}

func join(group, topic string, options ...kgo.Opt) *member {
	m := &member{assigned: map[int32]bool{}, stopped: make(chan struct{})}
	note := func(have bool) func(context.Context, *kgo.Client, map[string][]int32) {
		return func(_ context.Context, client *kgo.Client, topics map[string][]int32) {
			if !have && len(topics[topic]) > 0 {
				Must(client.CommitUncommittedOffsets(ctx))
			}
			m.lock.Lock()
			defer m.lock.Unlock()
			for _, partition := range topics[topic] {
				if have {
					m.assigned[partition] = true
				} else {
					delete(m.assigned, partition)
					m.taken++
				}
			}
		}
	}
	m.client = client(append([]kgo.Opt{kgo.ConsumerGroup(group), kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.DisableAutoCommit(), kgo.HeartbeatInterval(300 * time.Millisecond), kgo.SessionTimeout(time.Minute), kgo.RebalanceTimeout(2 * time.Minute),
		kgo.BlockRebalanceOnPoll(), kgo.FetchMaxWait(200 * time.Millisecond), kgo.OnPartitionsAssigned(note(true)), kgo.OnPartitionsRevoked(note(false)),
		kgo.OnPartitionsLost(note(false))}, options...)...)
	go func() {
		defer close(m.stopped)
		for {
			fetches := m.client.PollFetches(ctx)
			if fetches.IsClientClosed() {
				return
			}
			m.lock.Lock()
			fetches.EachRecord(func(record *kgo.Record) { m.values = append(m.values, value(record)) })
			m.lock.Unlock()
			m.client.AllowRebalance()
		}
	}()
	return m
}

func (m *member) count() int {
	m.lock.Lock()
	defer m.lock.Unlock()
	return len(m.assigned)
}

func (m *member) read() int {
	m.lock.Lock()
	defer m.lock.Unlock()
	return len(m.values)
}

func (m *member) take() []string {
	m.lock.Lock()
	defer m.lock.Unlock()
	values := m.values
	m.values = nil
	return values
}

func (m *member) close() {
	m.client.CloseAllowingRebalance()
	<-m.stopped
}

func group(name string, protocol kgo.Opt) string {
	where := topic("group-"+name, 6, nil)
	which := prefix + name
	for partition := range 6 {
		fill(where, int32(partition), partition*100, partition*100+10)
	}
	first := join(which, where, protocol)
	defer first.close()
	Until("one member has all", func() bool { return first.read() >= 60 })
	second := join(which, where, protocol)
	Until("two members share", func() bool { return first.count() == 3 && second.count() == 3 })
	taken := first.taken
	first.take()
	for partition := range 6 {
		fill(where, int32(partition), partition*100+10, partition*100+20)
	}
	Until("both read on", func() bool { return first.read()+second.read() >= 60 })
	Require(second.read() == 30, "the second read %d", second.read())
	Must(first.client.CommitUncommittedOffsets(ctx))
	second.close()
	Until("the first has all again", func() bool { return first.count() == 6 })
	first.take()
	for partition := range 6 {
		fill(where, int32(partition), partition*100+20, partition*100+21)
	}
	Until("the first reads on", func() bool { return first.read() >= 6 })
	after := first.take()
	sort.Slice(after, func(i, j int) bool { return Get(strconv.Atoi(after[i])) < Get(strconv.Atoi(after[j])) })
	return fmt.Sprintf("taken=%d after=%v", taken, after)
}

func staticMembers() string {
	where := topic("static", 4, nil)
	which := prefix + "static"
	first := join(which, where, kgo.InstanceID("a"))
	other := join(which, where, kgo.InstanceID("b"))
	Until("two static members share", func() bool { return first.count() == 2 && other.count() == 2 })
	other.lock.Lock()
	other.taken = 0
	other.lock.Unlock()
	first.close()
	back := join(which, where, kgo.InstanceID("a"))
	Until("the member that came back has partitions", func() bool { return back.count() == 2 })
	Require(other.taken == 0, "the other member was rebalanced")
	back.close()
	left := Get(admin.LeaveGroup(ctx, kadm.LeaveGroup(which).InstanceIDs("a", "nobody")))
	Until("the other member has all", func() bool { return other.count() == 4 })
	other.close()
	return fmt.Sprintf("leave a=%s nobody=%s", errorName(left["a"].Err), errorName(left["nobody"].Err))
}

func commits() string {
	where := topic("commits", 2, nil)
	which := prefix + "commits"
	fill(where, 0, 0, 20)
	var offsets kadm.Offsets
	offsets.Add(kadm.Offset{Topic: where, Partition: 0, At: 7, LeaderEpoch: 0, Metadata: "seven"})
	Must(Get(admin.CommitOffsets(ctx, which, offsets)).Error())
	offsets.Add(kadm.Offset{Topic: where, Partition: 0, At: 8, Metadata: strings.Repeat("x", 5000)})
	offsets.Add(kadm.Offset{Topic: where, Partition: 99, At: 7})
	wrong := Get(admin.CommitOffsets(ctx, which, offsets))
	fetched := Get(admin.FetchOffsets(ctx, which))[where][0]
	member := join(which, where)
	Until("it is read from the committed offset", func() bool { return member.read() >= 13 })
	active := Get(admin.CommitOffsets(ctx, which, offsets))[where][0].Err
	described := Get(admin.DescribeGroups(ctx, which))[which]
	listed := Get(admin.ListGroups(ctx))[which]
	first := member.take()[0]
	member.close()
	lag := Get(admin.Lag(ctx, which))[which].Lag[where][0]
	return fmt.Sprintf("too-long=%s unknown-partition=%s fetched=%d/%s/%d active=%s state=%s protocol=%s/%s members=%d listed=%s/%s first=%s lag=%d",
		errorName(wrong[where][0].Err), errorName(wrong[where][99].Err), fetched.At, fetched.Metadata, fetched.LeaderEpoch, errorName(active),
		described.State, described.ProtocolType, described.Protocol, len(described.Members), listed.ProtocolType, listed.State, first, lag.Lag)
}

// ---- topics and configs -------------------------------------------------------------------------

func topics() string {
	name := topic("created", 3, map[string]*string{"retention.ms": kadm.StringPtr("1234")})
	create := func(partitions int32, replicas int16, configs map[string]*string, name string) string {
		return errorName(Get(admin.CreateTopics(ctx, partitions, replicas, configs, name))[name].Err)
	}
	var answers []string
	answer := func(label, value string) { answers = append(answers, label+"="+value) }
	answer("exists", create(1, 1, nil, name))
	answer("bad-name", create(1, 1, nil, "a b"))
	answer("two-replicas", create(1, 2, nil, prefix+"e1"))
	answer("no-partitions", create(0, 1, nil, prefix+"e2"))
	answer("bad-config", create(1, 1, map[string]*string{"no.such": kadm.StringPtr("1")}, prefix+"e3"))
	answer("defaults", create(-1, -1, nil, prefix+"defaults"))
	described := Get(admin.ListTopics(ctx, name, prefix+"nobody"))
	answer("partitions", fmt.Sprint(len(described[name].Partitions)))
	answer("unknown", errorName(described[prefix+"nobody"].Err))
	Must(Get(admin.UpdatePartitions(ctx, 5, name)).Error())
	Until("five partitions are known", func() bool { return len(Get(admin.ListTopics(ctx, name))[name].Partitions) == 5 })
	answer("fewer", errorName(Get(admin.UpdatePartitions(ctx, 1, name))[name].Err))
	Must(Get(admin.AlterTopicConfigs(ctx, []kadm.AlterConfig{{Op: kadm.SetConfig, Name: "retention.ms", Value: kadm.StringPtr("777")}}, name))[0].Err)
	Until("the config is changed", func() bool { return config(name, "retention.ms") == "777" })
	answer("bad-value", errorName(Get(admin.AlterTopicConfigs(ctx, []kadm.AlterConfig{{Op: kadm.SetConfig, Name: "retention.ms", Value: kadm.StringPtr("soon")}}, name))[0].Err))
	Must(Get(admin.DeleteTopics(ctx, name)).Error())
	Until("the topic is gone", func() bool { return !Get(admin.ListTopics(ctx)).Has(name) })
	answer("delete-again", errorName(Get(admin.DeleteTopics(ctx, name))[name].Err))
	metadata := Get(admin.BrokerMetadata(ctx))
	answer("brokers", fmt.Sprint(len(metadata.Brokers)))
	return strings.Join(answers, " ")
}

func config(topic, name string) string {
	resource := Get(Get(admin.DescribeTopicConfigs(ctx, topic)).On(topic, nil))
	for _, one := range resource.Configs {
		if one.Key == name {
			return one.MaybeValue()
		}
	}
	return ""
}

func offsets() string {
	name := topic("offsets", 1, nil)
	fill(name, 0, 0, 10)
	starts, ends := Get(admin.ListStartOffsets(ctx, name)), Get(admin.ListEndOffsets(ctx, name))
	committed := Get(admin.ListCommittedOffsets(ctx, name))
	after := Get(admin.ListOffsetsAfterMilli(ctx, epoch+6500, name))
	max := Get(admin.ListMaxTimestampOffsets(ctx, name))
	var to kadm.Offsets
	to.AddOffset(name, 0, 4, -1)
	deleted := Get(admin.DeleteRecords(ctx, to))[name][0]
	to.AddOffset(name, 0, 99, -1)
	beyond := Get(admin.DeleteRecords(ctx, to))[name][0]
	epochs := kadm.OffsetForLeaderEpochRequest{}
	epochs.Add(name, 0, 0)
	for_epoch := Get(admin.OffetForLeaderEpoch(ctx, epochs))[name][0]
	epochs = kadm.OffsetForLeaderEpochRequest{}
	epochs.Add(name, 0, 55)
	for_future := Get(admin.OffetForLeaderEpoch(ctx, epochs))[name][0]
	return fmt.Sprintf("start=%d end=%d committed=%d after=%d@%d max=%d deleted=%d/%s beyond=%s first=%s epoch=%d/%d future=%d/%d/%s",
		starts[name][0].Offset, ends[name][0].Offset, committed[name][0].Offset, after[name][0].Offset, after[name][0].Timestamp, max[name][0].Offset,
		deleted.LowWatermark, errorName(deleted.Err), errorName(beyond.Err), value(readAll(name, 1, 6)[0]),
		for_epoch.LeaderEpoch, for_epoch.EndOffset, for_future.LeaderEpoch, for_future.EndOffset, errorName(for_future.Err))
}

// ---- producing and consuming --------------------------------------------------------------------

func acks(label string, acks kgo.Acks) string {
	name := topic("acks-"+label, 1, nil)
	producer := client(kgo.RequiredAcks(acks), kgo.DisableIdempotentWrite(), kgo.ProducerBatchMaxBytes(1000), kgo.MaxProduceRequestsInflightPerBroker(1))
	for i := range 500 {
		producer.Produce(ctx, &kgo.Record{Topic: name, Value: fmt.Append(nil, i)}, func(_ *kgo.Record, err error) { Must(err) })
	}
	Must(producer.Flush(ctx))
	for i, record := range readAll(name, 1, 500) {
		Require(value(record) == fmt.Sprint(i), "record %d is %s", i, value(record))
	}
	producer.Close()
	return "records=500"
}

func idempotent() string {
	name := topic("idempotent", 3, nil)
	producer := client(kgo.ProducerBatchMaxBytes(1024))
	defer producer.Close()
	var lock sync.Mutex
	wrong := 0
	for i := range 3000 {
		producer.Produce(ctx, &kgo.Record{Topic: name, Partition: int32(i % 3), Value: fmt.Append(nil, i)}, func(record *kgo.Record, err error) {
			lock.Lock()
			defer lock.Unlock()
			if err != nil || record.Offset != int64(i/3) {
				wrong++
			}
		})
	}
	Must(producer.Flush(ctx))
	Require(wrong == 0, "%d records have a wrong offset", wrong)
	return "in order, once"
}

func codec(label string, codec kgo.CompressionCodec) string {
	name := topic("codec-"+label, 2, nil)
	producer := client(kgo.ProducerBatchCompression(codec), kgo.ProducerLinger(50*time.Millisecond))
	defer producer.Close()
	make := func(i int) *kgo.Record {
		return &kgo.Record{Topic: name, Partition: int32(i % 2), Key: fmt.Appendf(nil, "key %d", i), Value: fmt.Appendf(nil, "value %d %s", i, strings.Repeat("abc ", i%50)),
			Timestamp: time.UnixMilli(epoch + int64(i)), Headers: []kgo.RecordHeader{{Key: "n", Value: fmt.Append(nil, i)}, {Key: "n", Value: []byte("again")}, {Key: "nothing"}}}
	}
	var records []*kgo.Record
	for i := range 400 {
		records = append(records, make(i))
	}
	Must(producer.ProduceSync(ctx, records...).FirstErr())
	next := []int{0, 1}
	for _, record := range readAll(name, 2, 400) {
		expected := make(next[record.Partition])
		next[record.Partition] += 2
		Require(string(expected.Key) == string(record.Key) && value(expected) == value(record) && expected.Timestamp.Equal(record.Timestamp), "record is %s", value(record))
		for i, header := range record.Headers {
			Require(header.Key == expected.Headers[i].Key && string(header.Value) == string(expected.Headers[i].Value), "header is %v", header)
		}
		Require(record.Headers[2].Value == nil, "the null header is not null")
	}
	return "records=400"
}

func nulls() string {
	name := topic("nulls", 1, nil)
	producer := client()
	defer producer.Close()
	pairs := [][2][]byte{{nil, []byte("v")}, {[]byte("k"), nil}, {nil, nil}, {{}, {}}, {[]byte("k"), {}}, {{}, nil}}
	for _, pair := range pairs {
		Must(producer.ProduceSync(ctx, &kgo.Record{Topic: name, Key: pair[0], Value: pair[1]}).FirstErr())
	}
	var answers []string
	show := func(bytes []byte) string {
		if bytes == nil {
			return "null"
		}
		return strconv.Quote(string(bytes))
	}
	for _, record := range readAll(name, 1, len(pairs)) {
		answers = append(answers, show(record.Key)+"/"+show(record.Value))
	}
	return strings.Join(answers, " ")
}

func large() string {
	name := topic("large", 1, nil)
	producer := client(kgo.ProducerBatchMaxBytes(20_000_000), kgo.BrokerMaxWriteBytes(100_000_000), kgo.ProducerBatchCompression(kgo.NoCompression()))
	defer producer.Close()
	var answers []string
	for _, size := range []int{900_000, 1_048_400, 1_048_588, 2_000_000} {
		answers = append(answers, fmt.Sprintf("%d=%s", size, errorName(producer.ProduceSync(ctx, &kgo.Record{Topic: name, Value: make([]byte, size)}).FirstErr())))
	}
	consumer := at(name, 1, kgo.NewOffset().AtStart(), kgo.FetchMaxBytes(1000), kgo.FetchMaxPartitionBytes(1000))
	defer consumer.Close()
	for _, record := range read(consumer, 2) {
		answers = append(answers, fmt.Sprint("read ", len(record.Value)))
	}
	return strings.Join(answers, " ")
}

func manyPartitions() string {
	name := topic("many", 60, nil)
	producer := client()
	defer producer.Close()
	var records []*kgo.Record
	for i := range 1200 {
		records = append(records, &kgo.Record{Topic: name, Partition: int32(i % 60), Value: fmt.Append(nil, i)})
	}
	Must(producer.ProduceSync(ctx, records...).FirstErr())
	member := join(prefix+"many", name)
	Until("everything is read", func() bool { return member.read() >= 1200 })
	values := member.take()
	member.close()
	slices.Sort(values)
	return fmt.Sprint("distinct=", len(slices.Compact(values)))
}

func partitionsByKey() string {
	name := topic("by-key", 7, nil)
	producer := client(kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil)))
	defer producer.Close()
	counts := map[int32]int{}
	for i := range 200 {
		counts[Get(producer.ProduceSync(ctx, &kgo.Record{Topic: name, Key: fmt.Appendf(nil, "key-%d", i)}).First()).Partition]++
	}
	return fmt.Sprint(counts)
}

func seek() string {
	name := topic("seek", 1, nil)
	fill(name, 0, 0, 100)
	var answers []string
	for label, offset := range map[string]kgo.Offset{"start": kgo.NewOffset().AtStart(), "42": kgo.NewOffset().At(42), "time": kgo.NewOffset().AfterMilli(epoch + 10_500),
		"10-before-end": kgo.NewOffset().AtEnd().Relative(-10)} {
		consumer := at(name, 1, offset)
		answers = append(answers, label+"="+value(read(consumer, 1)[0]))
		consumer.Close()
	}
	consumer := at(name, 1, kgo.NewOffset().AtStart(), kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	defer consumer.Close()
	read(consumer, 100)
	consumer.SetOffsets(map[string]map[int32]kgo.EpochOffset{name: {0: {Epoch: 0, Offset: 7}}})
	answers = append(answers, "back="+value(read(consumer, 1)[0]))
	sort.Strings(answers)
	return strings.Join(answers, " ")
}

func outOfRange() string {
	name := topic("range", 1, nil)
	fill(name, 0, 0, 10)
	var to kadm.Offsets
	to.AddOffset(name, 0, 3, -1)
	Must(Get(admin.DeleteRecords(ctx, to)).Error())
	below := at(name, 1, kgo.NewOffset().At(1), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	defer below.Close()
	answer := "below=" + value(read(below, 1)[0])
	none := at(name, 1, kgo.NewOffset().At(1000), kgo.ConsumeResetOffset(kgo.NoResetOffset()), kgo.KeepRetryableFetchErrors())
	defer none.Close()
	limit, cancel := context.WithTimeout(ctx, Limit)
	defer cancel()
	return answer + " none=" + errorName(none.PollFetches(limit).Err0())
}

func unknown() string {
	name := topic("few", 1, nil)
	// The topic is known a moment after it was asked for.
	producer := client(kgo.AllowAutoTopicCreation(), kgo.UnknownTopicRetries(-1), kgo.RecordDeliveryTimeout(Limit))
	defer producer.Close()
	auto := errorName(producer.ProduceSync(ctx, &kgo.Record{Topic: prefix + "auto", Value: []byte("x")}).FirstErr())
	strict := client(kgo.UnknownTopicRetries(1))
	defer strict.Close()
	nobody := errorName(strict.ProduceSync(ctx, &kgo.Record{Topic: prefix + "nobody", Value: []byte("x")}).FirstErr())
	bad := errorName(strict.ProduceSync(ctx, &kgo.Record{Topic: "bad name", Value: []byte("x")}).FirstErr())
	partition := strict.ProduceSync(ctx, &kgo.Record{Topic: name, Partition: 9, Value: []byte("x")}).FirstErr() != nil
	return fmt.Sprintf("auto=%s nobody=%s bad-name=%s bad-partition-refused=%t listed=%t", auto, nobody, bad, partition, Get(admin.ListTopics(ctx)).Has(prefix+"nobody"))
}

// What a client would not send by itself.
func rawRequests() string {
	name := topic("raw", 1, nil)
	raw := client()
	defer raw.Close()
	produce := kmsg.NewPtrProduceRequest()
	produce.Acks = 3
	produce.TimeoutMillis = 1000
	one := kmsg.NewProduceRequestTopic()
	one.Topic, one.TopicID = name, Get(admin.ListTopics(ctx, name))[name].ID
	part := kmsg.NewProduceRequestTopicPartition()
	part.Records = []byte("no batch at all")
	one.Partitions = append(one.Partitions, part)
	produce.Topics = append(produce.Topics, one)
	code := func() string {
		answer := Get(raw.Broker(1).Request(ctx, produce)).(*kmsg.ProduceResponse).Topics[0].Partitions[0]
		return errorName(kerr.ErrorForCode(answer.ErrorCode))
	}
	answers := []string{"acks-3=" + code()}
	produce.Acks = -1
	answers = append(answers, "no-batch="+code())
	list := kmsg.NewPtrListOffsetsRequest()
	list.Version = 7
	where := kmsg.NewListOffsetsRequestTopic()
	where.Topic = name
	spot := kmsg.NewListOffsetsRequestTopicPartition()
	spot.Timestamp = -77
	where.Partitions = append(where.Partitions, spot)
	list.Topics = append(list.Topics, where)
	listed := Get(raw.Broker(1).Request(ctx, list)).(*kmsg.ListOffsetsResponse).Topics[0].Partitions[0]
	answers = append(answers, "time--77="+errorName(kerr.ErrorForCode(listed.ErrorCode)))
	heartbeat := kmsg.NewPtrHeartbeatRequest()
	heartbeat.Group, heartbeat.MemberID = prefix+"nobody", "nobody"
	answers = append(answers, "heartbeat="+errorName(kerr.ErrorForCode(Get(heartbeat.RequestWith(ctx, raw)).ErrorCode)))
	join := kmsg.NewPtrJoinGroupRequest()
	join.Group, join.ProtocolType, join.SessionTimeoutMillis, join.RebalanceTimeoutMillis = prefix+"raw", "consumer", 10, 1000
	protocol := kmsg.NewJoinGroupRequestProtocol()
	protocol.Name = "range"
	join.Protocols = append(join.Protocols, protocol)
	answers = append(answers, "short-session="+errorName(kerr.ErrorForCode(Get(join.RequestWith(ctx, raw)).ErrorCode)))
	return strings.Join(answers, " ")
}

func main() {
	bootstrap, prefix = os.Args[1], os.Args[2]
	one := client()
	admin = kadm.NewClient(one)
	codecs := []struct {
		label string
		codec kgo.CompressionCodec
	}{{"none", kgo.NoCompression()}, {"gzip", kgo.GzipCompression()}, {"snappy", kgo.SnappyCompression()}, {"lz4", kgo.Lz4Compression()}, {"zstd", kgo.ZstdCompression()}}
	checks := []Check{
		{Name: "group-eager", Run: func() string { return group("eager", kgo.Balancers(kgo.RangeBalancer())) }},
		{Name: "group-cooperative", Run: func() string { return group("cooperative", kgo.Balancers(kgo.CooperativeStickyBalancer())) }},
		{Name: "group-consumer-protocol", Run: func() string { return group("consumer-protocol", kgo.ServerSideBalancer()) }},
		{Name: "group-static", Run: staticMembers},
		{Name: "group-commits", Run: commits},
		{Name: "topics", Run: topics},
		{Name: "offsets", Run: offsets},
		{Name: "produce-acks-0", Run: func() string { return acks("0", kgo.NoAck()) }},
		{Name: "produce-acks-1", Run: func() string { return acks("1", kgo.LeaderAck()) }},
		{Name: "produce-acks-all", Run: func() string { return acks("all", kgo.AllISRAcks()) }},
		{Name: "produce-idempotent", Run: idempotent},
		{Name: "records-null-and-empty", Run: nulls},
		{Name: "records-large", Run: large},
		{Name: "partitions-many", Run: manyPartitions},
		{Name: "partitions-by-key", Run: partitionsByKey},
		{Name: "consume-seek", Run: seek},
		{Name: "consume-out-of-range", Run: outOfRange},
		{Name: "unknown", Run: unknown},
		{Name: "raw-requests", Run: rawRequests},
	}
	for _, one := range codecs {
		checks = append(checks, Check{Name: "codec-" + one.label, Run: func() string { return codec(one.label, one.codec) }})
	}
	os.Exit(Run("franz-go", 5, 10*time.Minute, checks))
}
