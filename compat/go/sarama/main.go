// sarama. Arguments: bootstrap address, topic prefix.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sort"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/IBM/sarama"

	. "ottla/compat/report"
)

const epoch = int64(1_700_000_000_000)

var (
	bootstrap, prefix string
	admin             sarama.ClusterAdmin
	look              sarama.Client
)

// ---- shared steps -------------------------------------------------------------------------------

func config() *sarama.Config {
	config := sarama.NewConfig()
	config.Version = sarama.MaxVersion
	config.Producer.Return.Successes = true
	config.Producer.Partitioner = sarama.NewManualPartitioner
	config.Producer.Flush.Frequency = 5 * time.Millisecond
	config.Consumer.MaxWaitTime = 200 * time.Millisecond
	config.Consumer.Offsets.Initial = sarama.OffsetOldest
	config.Consumer.Offsets.AutoCommit.Interval = 100 * time.Millisecond
	config.Consumer.Group.Heartbeat.Interval = 300 * time.Millisecond
	config.Consumer.Group.Session.Timeout = time.Minute
	config.Consumer.Group.Rebalance.Timeout = 2 * time.Minute
	config.Net.ReadTimeout = Limit
	return config
}

// A topic that keeps its records, which say that they are years old: a broker looks for such now and then.
func topic(name string, partitions int32) string {
	name = prefix + name
	forever := "-1"
	Must(admin.CreateTopic(name, &sarama.TopicDetail{NumPartitions: partitions, ReplicationFactor: 1, ConfigEntries: map[string]*string{"retention.ms": &forever}}, false))
	Until(name+" is served", func() bool {
		if look.RefreshMetadata(name) != nil {
			return false
		}
		for partition := range partitions {
			if _, err := look.GetOffset(name, partition, sarama.OffsetNewest); err != nil {
				return false
			}
		}
		return true
	})
	return name
}

func errorName(err error) string {
	if err == nil {
		return "none"
	}
	var code sarama.KError
	if errors.As(err, &code) {
		return strconv.Itoa(int(code))
	}
	return err.Error()
}

func send(config *sarama.Config, messages ...*sarama.ProducerMessage) error {
	producer := Get(sarama.NewSyncProducer([]string{bootstrap}, config))
	defer producer.Close()
	err := producer.SendMessages(messages)
	var several sarama.ProducerErrors
	if errors.As(err, &several) {
		return several[0].Err
	}
	return err
}

func text(format string, values ...any) sarama.Encoder {
	return sarama.StringEncoder(fmt.Sprintf(format, values...))
}

func fill(topic string, partition int32, from, to int) {
	var messages []*sarama.ProducerMessage
	for i := from; i < to; i++ {
		messages = append(messages, &sarama.ProducerMessage{Topic: topic, Partition: partition, Key: text("k%d", i), Value: text("%d", i), Timestamp: time.UnixMilli(epoch + int64(i)*1000)})
	}
	Must(send(config(), messages...))
}

func readFrom(config *sarama.Config, topic string, partition int32, offset int64, count int) []*sarama.ConsumerMessage {
	consumer := Get(sarama.NewConsumer([]string{bootstrap}, config))
	defer consumer.Close()
	one := Get(consumer.ConsumePartition(topic, partition, offset))
	defer one.Close()
	var messages []*sarama.ConsumerMessage
	for len(messages) < count {
		select {
		case message := <-one.Messages():
			messages = append(messages, message)
		case <-time.After(Limit):
			panic(fmt.Sprintf("got %d records of %d", len(messages), count))
		}
	}
	return messages
}

func readAll(topic string, partition int32, count int) []*sarama.ConsumerMessage {
	return readFrom(config(), topic, partition, sarama.OffsetOldest, count)
}

// ---- groups -------------------------------------------------------------------------------------

type member struct {
	group  sarama.ConsumerGroup
	cancel context.CancelFunc
	ended  chan struct{}
	lock   sync.Mutex
	values []string
	claims []int32
}

func (m *member) Setup(session sarama.ConsumerGroupSession) error {
	m.lock.Lock()
	defer m.lock.Unlock()
	m.claims = nil
	for _, partitions := range session.Claims() {
		m.claims = append(m.claims, partitions...)
	}
	return nil
}

func (m *member) Cleanup(sarama.ConsumerGroupSession) error { return nil }

func (m *member) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for {
		select {
		case message, open := <-claim.Messages():
			if !open {
				return nil
			}
			m.lock.Lock()
			m.values = append(m.values, string(message.Value))
			m.lock.Unlock()
			session.MarkMessage(message, "")
		case <-session.Context().Done():
			return nil
		}
	}
}

func join(group, topic string, strategy sarama.BalanceStrategy) *member {
	config := config()
	config.Consumer.Group.Rebalance.GroupStrategies = []sarama.BalanceStrategy{strategy}
	ctx, cancel := context.WithCancel(context.Background())
	m := &member{group: Get(sarama.NewConsumerGroup([]string{bootstrap}, group, config)), cancel: cancel, ended: make(chan struct{})}
	go func() {
		defer close(m.ended)
		for ctx.Err() == nil {
			if m.group.Consume(ctx, []string{topic}, m) != nil {
				time.Sleep(50 * time.Millisecond)
			}
		}
	}()
	return m
}

func (m *member) count() int { m.lock.Lock(); defer m.lock.Unlock(); return len(m.claims) }
func (m *member) read() int  { m.lock.Lock(); defer m.lock.Unlock(); return len(m.values) }
func (m *member) take() []string {
	m.lock.Lock()
	defer m.lock.Unlock()
	values := m.values
	m.values = nil
	return values
}
func (m *member) close() { m.cancel(); m.group.Close(); <-m.ended }

func group(name string, strategy sarama.BalanceStrategy) string {
	where := topic("group-"+name, 6)
	which := prefix + name
	for partition := range 6 {
		fill(where, int32(partition), partition*100, partition*100+10)
	}
	first := join(which, where, strategy)
	Until("one member has all", func() bool { return first.read() >= 60 })
	second := join(which, where, strategy)
	Until("two members share", func() bool { return first.count() == 3 && second.count() == 3 })
	first.take()
	for partition := range 6 {
		fill(where, int32(partition), partition*100+10, partition*100+20)
	}
	Until("both read on", func() bool { return first.read()+second.read() >= 60 })
	Require(second.read() == 30, "the second read %d", second.read())
	second.close()
	Until("the first has all again", func() bool { return first.count() == 6 })
	first.take()
	for partition := range 6 {
		fill(where, int32(partition), partition*100+20, partition*100+21)
	}
	Until("the first reads on", func() bool { return first.read() >= 6 })
	after := first.take()
	sort.Slice(after, func(i, j int) bool { return Get(strconv.Atoi(after[i])) < Get(strconv.Atoi(after[j])) })
	described := Get(admin.DescribeConsumerGroups([]string{which}))[0]
	listed := Get(admin.ListConsumerGroups())[which]
	first.close()
	offsets := Get(admin.ListConsumerGroupOffsets(which, map[string][]int32{where: {0, 5}}))
	return fmt.Sprintf("after=%v %s/%s/%s/%d listed=%s offsets=%d/%d", after, described.State, described.ProtocolType, described.Protocol, len(described.Members), listed,
		offsets.GetBlock(where, 0).Offset, offsets.GetBlock(where, 5).Offset)
}

// ---- topics -------------------------------------------------------------------------------------

func topics() string {
	name := topic("created", 3)
	value := "1234"
	create := func(name string, detail sarama.TopicDetail) string {
		err := admin.CreateTopic(name, &detail, false)
		var one *sarama.TopicError
		if errors.As(err, &one) {
			return strconv.Itoa(int(one.Err))
		}
		return errorName(err)
	}
	answers := []string{
		"exists=" + create(name, sarama.TopicDetail{NumPartitions: 1, ReplicationFactor: 1}),
		"bad-name=" + create("a b", sarama.TopicDetail{NumPartitions: 1, ReplicationFactor: 1}),
		"two-replicas=" + create(prefix+"e1", sarama.TopicDetail{NumPartitions: 1, ReplicationFactor: 2}),
		"bad-config=" + create(prefix+"e2", sarama.TopicDetail{NumPartitions: 1, ReplicationFactor: 1, ConfigEntries: map[string]*string{"no.such": &value}}),
		"more=" + errorName(admin.CreatePartitions(name, 5, nil, false)),
		"incremental=" + errorName(admin.IncrementalAlterConfig(sarama.TopicResource, name, map[string]sarama.IncrementalAlterConfigsEntry{
			"retention.ms": {Operation: sarama.IncrementalAlterConfigsOperationSet, Value: &value}}, false)),
	}
	Until("the config is changed", func() bool {
		entries := Get(admin.DescribeConfig(sarama.ConfigResource{Type: sarama.TopicResource, Name: name, ConfigNames: []string{"retention.ms"}}))
		return len(entries) == 1 && entries[0].Value == value
	})
	Until("five partitions are known", func() bool { return len(Get(admin.DescribeTopics([]string{name}))[0].Partitions) == 5 })
	fill(name, 0, 0, 10)
	answers = append(answers, "delete-records="+errorName(admin.DeleteRecords(name, map[int32]int64{0: 4})), "oldest="+fmt.Sprint(readAll(name, 0, 6)[0].Offset))
	answers = append(answers, "delete="+errorName(admin.DeleteTopic(name)))
	Until("the topic is gone", func() bool { _, there := Get(admin.ListTopics())[name]; return !there })
	answers = append(answers, "delete-again="+errorName(admin.DeleteTopic(name)))
	brokers, _, err := admin.DescribeCluster()
	return strings.Join(append(answers, fmt.Sprint("brokers=", len(brokers), " ", errorName(err))), " ")
}

// ---- producing and consuming --------------------------------------------------------------------

func acks(label string, acks sarama.RequiredAcks) string {
	name := topic("acks-"+label, 1)
	config := config()
	config.Producer.RequiredAcks = acks
	config.Producer.Flush.MaxMessages = 20
	config.Net.MaxOpenRequests = 1
	var messages []*sarama.ProducerMessage
	for i := range 500 {
		messages = append(messages, &sarama.ProducerMessage{Topic: name, Value: text("%d", i)})
	}
	Must(send(config, messages...))
	for i, message := range readAll(name, 0, 500) {
		Require(string(message.Value) == fmt.Sprint(i), "record %d is %s", i, message.Value)
	}
	return "records=500"
}

func idempotent() string {
	name := topic("idempotent", 1)
	config := config()
	config.Producer.Idempotent = true
	config.Producer.RequiredAcks = sarama.WaitForAll
	config.Net.MaxOpenRequests = 1
	config.Producer.Flush.MaxMessages = 20
	var messages []*sarama.ProducerMessage
	for i := range 1000 {
		messages = append(messages, &sarama.ProducerMessage{Topic: name, Value: text("%d", i)})
	}
	Must(send(config, messages...))
	for i, message := range readAll(name, 0, 1000) {
		Require(string(message.Value) == fmt.Sprint(i), "record %d is %s", i, message.Value)
	}
	return "in order, once"
}

func codec(label string, codec sarama.CompressionCodec) string {
	name := topic("codec-"+label, 1)
	config := config()
	config.Producer.Compression = codec
	var messages []*sarama.ProducerMessage
	value := func(i int) string { return fmt.Sprintf("value %d %s", i, strings.Repeat("abc ", i%50)) }
	for i := range 400 {
		messages = append(messages, &sarama.ProducerMessage{Topic: name, Key: text("key %d", i), Value: text("%s", value(i)), Timestamp: time.UnixMilli(epoch + int64(i)),
			Headers: []sarama.RecordHeader{{Key: []byte("n"), Value: fmt.Append(nil, i)}, {Key: []byte("n"), Value: []byte("again")}}})
	}
	Must(send(config, messages...))
	for i, message := range readAll(name, 0, 400) {
		Require(string(message.Key) == fmt.Sprint("key ", i) && string(message.Value) == value(i) && message.Timestamp.UnixMilli() == epoch+int64(i), "record %d is %s", i, message.Value)
		Require(len(message.Headers) == 2 && string(message.Headers[0].Value) == fmt.Sprint(i) && string(message.Headers[1].Value) == "again", "headers of %d", i)
	}
	return "records=400"
}

func nulls() string {
	name := topic("nulls", 1)
	pairs := [][2]sarama.Encoder{{nil, text("v")}, {text("k"), nil}, {nil, nil}, {text("k"), text("")}}
	var messages []*sarama.ProducerMessage
	for _, pair := range pairs {
		messages = append(messages, &sarama.ProducerMessage{Topic: name, Key: pair[0], Value: pair[1]})
	}
	Must(send(config(), messages...))
	var answers []string
	show := func(bytes []byte) string {
		if bytes == nil {
			return "null"
		}
		return strconv.Quote(string(bytes))
	}
	for _, message := range readAll(name, 0, len(pairs)) {
		answers = append(answers, show(message.Key)+"/"+show(message.Value))
	}
	return strings.Join(answers, " ")
}

func large() string {
	name := topic("large", 1)
	config := config()
	config.Producer.MaxMessageBytes = 10_000_000
	var answers []string
	for _, size := range []int{900_000, 1_048_400, 1_048_588, 2_000_000} {
		answers = append(answers, fmt.Sprintf("%d=%s", size, errorName(send(config, &sarama.ProducerMessage{Topic: name, Value: sarama.ByteEncoder(make([]byte, size))}))))
	}
	config.Consumer.Fetch.Default = 1000
	for _, message := range readFrom(config, name, 0, sarama.OffsetOldest, 2) {
		answers = append(answers, fmt.Sprint("read ", len(message.Value)))
	}
	return strings.Join(answers, " ")
}

func manyPartitions() string {
	name := topic("many", 40)
	var messages []*sarama.ProducerMessage
	for i := range 800 {
		messages = append(messages, &sarama.ProducerMessage{Topic: name, Partition: int32(i % 40), Value: text("%d", i)})
	}
	Must(send(config(), messages...))
	member := join(prefix+"many", name, sarama.NewBalanceStrategyRoundRobin())
	Until("everything is read", func() bool { return member.read() >= 800 })
	values := member.take()
	member.close()
	slices.Sort(values)
	return fmt.Sprint("distinct=", len(slices.Compact(values)))
}

func seek() string {
	name := topic("seek", 1)
	fill(name, 0, 0, 100)
	answers := []string{"42=" + string(readFrom(config(), name, 0, 42, 1)[0].Value)}
	for _, time := range []int64{sarama.OffsetOldest, sarama.OffsetNewest, epoch, epoch + 10_000, epoch + 10_001, epoch + 99_001} {
		answers = append(answers, fmt.Sprint(Get(look.GetOffset(name, 0, time))))
	}
	Must(admin.DeleteRecords(name, map[int32]int64{0: 4}))
	consumer := Get(sarama.NewConsumer([]string{bootstrap}, config()))
	defer consumer.Close()
	_, below := consumer.ConsumePartition(name, 0, 1)
	_, above := consumer.ConsumePartition(name, 0, 1000)
	return strings.Join(append(answers, "below="+errorName(below), "above="+errorName(above)), " ")
}

func unknown() string {
	name := topic("few", 1)
	// The topic is known a moment after it was asked for.
	auto := config()
	auto.Metadata.Retry.Max = int(Limit / auto.Metadata.Retry.Backoff)
	plain := config()
	plain.Producer.Retry.Max = 1
	strict := config()
	strict.Metadata.AllowAutoTopicCreation = false
	strict.Metadata.Retry.Max = 1
	strict.Producer.Retry.Max = 1
	sent := fmt.Sprintf("auto=%s nobody=%s partition=%s", errorName(send(auto, &sarama.ProducerMessage{Topic: prefix + "auto", Value: text("x")})),
		errorName(send(strict, &sarama.ProducerMessage{Topic: prefix + "nobody", Value: text("x")})),
		errorName(send(plain, &sarama.ProducerMessage{Topic: name, Partition: 9, Value: text("x")})))
	_, there := Get(admin.ListTopics())[prefix+"nobody"]
	return fmt.Sprintf("%s listed=%t", sent, there)
}

func main() {
	bootstrap, prefix = os.Args[1], os.Args[2]
	look = Get(sarama.NewClient([]string{bootstrap}, config()))
	admin = Get(sarama.NewClusterAdmin([]string{bootstrap}, config()))
	checks := []Check{
		{Name: "group-range", Run: func() string { return group("range", sarama.NewBalanceStrategyRange()) }},
		{Name: "group-sticky", Run: func() string { return group("sticky", sarama.NewBalanceStrategySticky()) }},
		{Name: "topics", Run: topics},
		{Name: "produce-acks-0", Run: func() string { return acks("0", sarama.NoResponse) }},
		{Name: "produce-acks-1", Run: func() string { return acks("1", sarama.WaitForLocal) }},
		{Name: "produce-acks-all", Run: func() string { return acks("all", sarama.WaitForAll) }},
		{Name: "produce-idempotent", Run: idempotent},
		{Name: "records-null-and-empty", Run: nulls},
		{Name: "records-large", Run: large},
		{Name: "partitions-many", Run: manyPartitions},
		{Name: "consume-seek", Run: seek},
		{Name: "unknown", Run: unknown},
	}
	for label, one := range map[string]sarama.CompressionCodec{"none": sarama.CompressionNone, "gzip": sarama.CompressionGZIP, "snappy": sarama.CompressionSnappy,
		"lz4": sarama.CompressionLZ4, "zstd": sarama.CompressionZSTD} {
		checks = append(checks, Check{Name: "codec-" + label, Run: func() string { return codec(label, one) }})
	}
	os.Exit(Run("sarama", 5, 10*time.Minute, checks))
}
