// The benchmark's driver: one run of one workload against one broker of Kafka's protocol, told on
// stdout as one line of JSON. It knows nothing of which broker it talks to. `cargo xtask bench`
// starts it; by hand: `go run . help`.
package main

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Result is what is told. Fields that a workload does not measure are left out.
type Result struct {
	Workload string  `json:"workload"`
	Records  int64   `json:"records,omitempty"`
	Bytes    int64   `json:"bytes,omitempty"` // of record values
	Seconds  float64 `json:"seconds,omitempty"`
	// From the intended moment of sending to the ack.
	AckMs *Percentiles `json:"ack_ms,omitempty"`
	// From the intended moment of sending to the arrival at a consumer.
	EndToEndMs *Percentiles `json:"end_to_end_ms,omitempty"`
	// When the first record was acked, since the Unix epoch.
	AckedUnixNano int64 `json:"acked_unix_nano,omitempty"`
	// Until every partition had its first record (busy).
	FirstUseSeconds float64 `json:"first_use_seconds,omitempty"`
	// How a group settles when all members but one come, when the last comes, and when one goes (rebalance).
	First *Rebalance `json:"first,omitempty"`
	Join  *Rebalance `json:"join,omitempty"`
	Leave *Rebalance `json:"leave,omitempty"`
	// The broker's, while what is measured went on (busy, group, follow, rebalance; with -pid).
	BrokerCPUSeconds float64 `json:"broker_cpu_seconds,omitempty"`
	// Fetches that were answered meanwhile (follow): on a busy machine one has the records of several.
	Fetches int64 `json:"fetches,omitempty"`
	// The driver's own, to tell when it is the bottleneck.
	DriverCPUSeconds float64 `json:"driver_cpu_seconds"`
}

// Percentiles of latencies, in milliseconds.
type Percentiles struct {
	P50  float64 `json:"p50"`
	P99  float64 `json:"p99"`
	P999 float64 `json:"p99.9"`
	Max  float64 `json:"max"`
}

var (
	broker       = flag.String("broker", "127.0.0.1:9092", "HOST:PORT of the broker")
	topic        = flag.String("topic", "bench", "topic to write or read")
	size         = flag.Int("size", 1024, "bytes of a record's value")
	records      = flag.Int64("records", 1_000_000, "records to write or read")
	batch        = flag.Int("batch", 1_000_012, "largest batch, bytes")
	linger       = flag.Duration("linger", 5*time.Millisecond, "how long a batch waits for more records")
	rate         = flag.Int("rate", 1000, "records per second (latency, round-trip)")
	duration     = flag.Duration("duration", 10*time.Second, "how long (latency, round-trip)")
	partitions   = flag.Int("partitions", 1, "partitions (create, rebalance)")
	members      = flag.Int("members", 10, "members of the group (rebalance)")
	protocolName = flag.String("protocol", "classic", "the group's protocol, classic or consumer (rebalance)")
	topics       = flag.Int("topics", 1, "topics, numbered when there are several (create, served, busy, group)")
	pid          = flag.Int("pid", 0, "the broker's process, whose CPU time is told (busy, group, follow, rebalance)")
	flush        = flag.String("flush-messages", "", "the topic's flush.messages (create); the broker's default when empty")
	limit        = flag.Duration("limit", 5*time.Minute, "give up after this long")
)

func main() {
	workloads := map[string]func(context.Context) (Result, error){
		"create":     create,
		"delete":     remove,
		"produce":    produce,
		"consume":    consume,
		"latency":    latency,
		"round-trip": roundTrip,
		"first-ack":  firstAck,
		"served":     served,
		"metadata":   metadata,
		"busy":       busy,
		"group":      group,
		"follow":     follow,
		"rebalance":  rebalance,
	}
	var run func(context.Context) (Result, error)
	if len(os.Args) > 1 {
		run = workloads[os.Args[1]]
	}
	if run == nil {
		fmt.Fprintln(os.Stderr, "usage: driver create|delete|produce|consume|latency|round-trip|first-ack|served|metadata|busy|group|follow|rebalance [flags]")
		flag.PrintDefaults()
		os.Exit(2)
	}
	if err := flag.CommandLine.Parse(os.Args[2:]); err != nil {
		fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), *limit)
	defer cancel()
	result, err := run(ctx)
	if err != nil {
		fatal(err)
	}
	result.Workload = os.Args[1]
	result.DriverCPUSeconds = cpuSeconds()
	if err := json.NewEncoder(os.Stdout).Encode(result); err != nil {
		fatal(err)
	}
}

func fatal(err error) {
	fmt.Fprintln(os.Stderr, "driver:", err)
	os.Exit(1)
}

// Options that every producer here has: acks=all and idempotence are franz-go's defaults.
func producerOptions() []kgo.Opt {
	return []kgo.Opt{
		kgo.SeedBrokers(*broker),
		kgo.DefaultProduceTopic(*topic),
		kgo.ProducerBatchCompression(kgo.NoCompression()),
		kgo.ProducerBatchMaxBytes(int32(*batch)),
		kgo.ProducerLinger(*linger),
		kgo.MaxBufferedRecords(200_000),
		kgo.MaxBufferedBytes(128 << 20),
		kgo.RecordPartitioner(kgo.StickyPartitioner()),
		kgo.MetadataMinAge(20 * time.Millisecond),
		kgo.RetryBackoffFn(func(int) time.Duration { return 5 * time.Millisecond }),
	}
}

// Values that do not compress: a few hundred, so that making them costs nothing while it counts.
func values(size int) [][]byte {
	random := rand.NewChaCha8([32]byte{7})
	all := make([][]byte, 256)
	for i := range all {
		all[i] = make([]byte, size)
		random.Read(all[i])
	}
	return all
}

func createTopic(ctx context.Context, client *kgo.Client) error {
	request := kmsg.NewPtrCreateTopicsRequest()
	request.TimeoutMillis = 30_000
	for _, name := range topicNames() {
		wanted := kmsg.NewCreateTopicsRequestTopic()
		wanted.Topic = name
		wanted.NumPartitions = int32(*partitions)
		wanted.ReplicationFactor = 1
		if *flush != "" {
			config := kmsg.NewCreateTopicsRequestTopicConfig()
			config.Name = "flush.messages"
			config.Value = flush
			wanted.Configs = append(wanted.Configs, config)
		}
		request.Topics = append(request.Topics, wanted)
	}
	response, err := request.RequestWith(ctx, client)
	if err != nil {
		return err
	}
	for _, created := range response.Topics {
		if err := kerr.ErrorForCode(created.ErrorCode); err != nil && err != kerr.TopicAlreadyExists {
			return fmt.Errorf("create topic %s: %w", *topic, err)
		}
	}
	return nil
}

func create(ctx context.Context) (Result, error) {
	client, err := kgo.NewClient(kgo.SeedBrokers(*broker))
	if err != nil {
		return Result{}, err
	}
	defer client.Close()
	start := time.Now()
	err = createTopic(ctx, client)
	return Result{Seconds: time.Since(start).Seconds()}, err
}

func remove(ctx context.Context) (Result, error) {
	client, err := kgo.NewClient(kgo.SeedBrokers(*broker))
	if err != nil {
		return Result{}, err
	}
	defer client.Close()
	request := kmsg.NewPtrDeleteTopicsRequest()
	request.TimeoutMillis = 30_000
	request.TopicNames = []string{*topic}
	unwanted := kmsg.NewDeleteTopicsRequestTopic()
	unwanted.Topic = topic
	request.Topics = append(request.Topics, unwanted)
	response, err := request.RequestWith(ctx, client)
	if err != nil {
		return Result{}, err
	}
	for _, deleted := range response.Topics {
		if err := kerr.ErrorForCode(deleted.ErrorCode); err != nil {
			return Result{}, fmt.Errorf("delete topic %s: %w", *topic, err)
		}
	}
	return Result{}, nil
}

// Writes as fast as the broker takes it.
func produce(ctx context.Context) (Result, error) {
	client, err := kgo.NewClient(producerOptions()...)
	if err != nil {
		return Result{}, err
	}
	defer client.Close()
	if err := client.Ping(ctx); err != nil {
		return Result{}, err
	}
	values := values(*size)
	var failed atomic.Pointer[error]
	var acked atomic.Int64
	done := func(_ *kgo.Record, err error) {
		if err != nil {
			failed.CompareAndSwap(nil, &err)
			return
		}
		acked.Add(1)
	}
	start := time.Now()
	block := make([]kgo.Record, 0)
	for i := range *records {
		if len(block) == 0 {
			// One allocation for many records: the driver is not what is measured.
			block = make([]kgo.Record, 1024)
			if failed.Load() != nil {
				break
			}
		}
		record := &block[0]
		block = block[1:]
		record.Value = values[int(i)%len(values)]
		client.Produce(ctx, record, done)
	}
	if err := client.Flush(ctx); err != nil {
		return Result{}, err
	}
	seconds := time.Since(start).Seconds()
	if err := failed.Load(); err != nil {
		return Result{}, *err
	}
	if acked.Load() != *records {
		return Result{}, fmt.Errorf("%d of %d records acked", acked.Load(), *records)
	}
	return Result{Records: *records, Bytes: *records * int64(*size), Seconds: seconds}, nil
}

// Reads a topic from its start until so many records came.
func consume(ctx context.Context) (Result, error) {
	client, err := kgo.NewClient(
		kgo.SeedBrokers(*broker),
		kgo.ConsumeTopics(*topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.MetadataMinAge(20*time.Millisecond),
	)
	if err != nil {
		return Result{}, err
	}
	defer client.Close()
	start := time.Now()
	var got, bytes int64
	for got < *records {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return Result{}, fmt.Errorf("after %d of %d records: %w", got, *records, err)
		}
		fetches.EachRecord(func(record *kgo.Record) {
			got++
			bytes += int64(len(record.Value))
		})
	}
	return Result{Records: got, Bytes: bytes, Seconds: time.Since(start).Seconds()}, nil
}

// Calls send at a steady rate, whatever becomes of the earlier ones; hands it the record's number
// and the moment it was meant for.
func openLoop(ctx context.Context, send func(i int, intended time.Time)) int {
	total := int(float64(*rate) * duration.Seconds())
	step := time.Second / time.Duration(*rate)
	start := time.Now().Add(10 * time.Millisecond)
	for i := range total {
		intended := start.Add(time.Duration(i) * step)
		if wait := time.Until(intended); wait > 0 {
			time.Sleep(wait)
		}
		if ctx.Err() != nil {
			return i
		}
		send(i, intended)
	}
	return total
}

// Some records before anything counts: connections, leaders, the driver's own start.
func warmUp(ctx context.Context, client *kgo.Client, value []byte) error {
	for range min(*rate, 1000) {
		if err := client.ProduceSync(ctx, &kgo.Record{Value: value}).FirstErr(); err != nil {
			return err
		}
	}
	return nil
}

func latency(ctx context.Context) (Result, error) {
	client, err := kgo.NewClient(append(producerOptions(), kgo.ProducerLinger(0))...)
	if err != nil {
		return Result{}, err
	}
	defer client.Close()
	values := values(*size)
	if err := warmUp(ctx, client, values[0]); err != nil {
		return Result{}, err
	}
	return ackLatency(ctx, client, func(i int) *kgo.Record { return &kgo.Record{Value: values[i%len(values)]} })
}

// Sends records at `-rate` for `-duration`; how long each ack took from the time it was meant to be sent.
func ackLatency(ctx context.Context, client *kgo.Client, record func(i int) *kgo.Record) (Result, error) {
	total := int(float64(*rate) * duration.Seconds())
	waits := make([]time.Duration, total)
	var failed atomic.Pointer[error]
	start := time.Now()
	sent := openLoop(ctx, func(i int, intended time.Time) {
		client.Produce(ctx, record(i), func(_ *kgo.Record, err error) {
			if err != nil {
				failed.CompareAndSwap(nil, &err)
			}
			waits[i] = time.Since(intended)
		})
	})
	if err := client.Flush(ctx); err != nil {
		return Result{}, err
	}
	if err := failed.Load(); err != nil {
		return Result{}, *err
	}
	return Result{
		Records: int64(sent), Bytes: int64(sent) * int64(*size), Seconds: time.Since(start).Seconds(),
		AckMs: percentiles(waits),
	}, nil
}

// Each record is written, acked, and read by a consumer that waits for it.
func roundTrip(ctx context.Context) (Result, error) {
	producer, err := kgo.NewClient(append(producerOptions(), kgo.ProducerLinger(0))...)
	if err != nil {
		return Result{}, err
	}
	defer producer.Close()
	values := values(max(*size, 8))
	if err := warmUp(ctx, producer, values[0]); err != nil {
		return Result{}, err
	}
	consumer, err := kgo.NewClient(
		kgo.SeedBrokers(*broker),
		kgo.ConsumeTopics(*topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtEnd()),
		kgo.MetadataMinAge(20*time.Millisecond),
	)
	if err != nil {
		return Result{}, err
	}
	defer consumer.Close()

	total := int(float64(*rate) * duration.Seconds())
	acks := make([]time.Duration, total)
	arrivals := make([]time.Duration, total)
	intended := make([]time.Time, total)
	arrived := make([]time.Time, total)
	var failed atomic.Pointer[error]
	ready, all := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(all)
		first := true
		for counted := 0; counted < total; {
			fetches := consumer.PollFetches(ctx)
			now := time.Now()
			if err := fetches.Err(); err != nil {
				failed.CompareAndSwap(nil, &err)
				if first {
					close(ready)
				}
				return
			}
			fetches.EachRecord(func(record *kgo.Record) {
				if len(record.Key) > 0 {
					// Probes that show that the consumer has found the end of the log.
					if first {
						first = false
						close(ready)
					}
					return
				}
				arrived[binary.BigEndian.Uint64(record.Value)] = now
				counted++
			})
		}
	}()
	for waiting := true; waiting; {
		probe := &kgo.Record{Key: []byte("probe"), Value: values[0]}
		if err := producer.ProduceSync(ctx, probe).FirstErr(); err != nil {
			return Result{}, err
		}
		select {
		case <-ready:
			waiting = false
		case <-time.After(50 * time.Millisecond):
		}
	}
	start := time.Now()
	sent := openLoop(ctx, func(i int, meant time.Time) {
		intended[i] = meant
		value := slices.Clone(values[i%len(values)])
		binary.BigEndian.PutUint64(value, uint64(i))
		producer.Produce(ctx, &kgo.Record{Value: value}, func(_ *kgo.Record, err error) {
			if err != nil {
				failed.CompareAndSwap(nil, &err)
				return
			}
			acks[i] = time.Since(meant)
		})
	})
	if err := producer.Flush(ctx); err != nil {
		return Result{}, err
	}
	<-all
	if err := failed.Load(); err != nil {
		return Result{}, *err
	}
	seconds := time.Since(start).Seconds()
	for i := range sent {
		arrivals[i] = arrived[i].Sub(intended[i])
	}
	return Result{
		Records: int64(sent), Bytes: int64(sent) * int64(*size), Seconds: seconds,
		AckMs: percentiles(acks), EndToEndMs: percentiles(arrivals),
	}, nil
}

// Waits for a broker that may not be there yet, makes the topic unless it is there, and writes one
// record.
func firstAck(ctx context.Context) (Result, error) {
	for {
		connection, err := net.DialTimeout("tcp", *broker, time.Second)
		if err == nil {
			connection.Close()
			break
		}
		if ctx.Err() != nil {
			return Result{}, err
		}
		time.Sleep(time.Millisecond)
	}
	client, err := kgo.NewClient(append(producerOptions(), kgo.ProducerLinger(0))...)
	if err != nil {
		return Result{}, err
	}
	defer client.Close()
	for {
		err := createTopic(ctx, client)
		if err == nil {
			break
		}
		if ctx.Err() != nil {
			return Result{}, err
		}
		time.Sleep(time.Millisecond)
	}
	if err := client.ProduceSync(ctx, &kgo.Record{Value: []byte("first")}).FirstErr(); err != nil {
		return Result{}, err
	}
	return Result{AckedUnixNano: time.Now().UnixNano()}, nil
}

func percentiles(waits []time.Duration) *Percentiles {
	sorted := slices.Clone(waits)
	slices.Sort(sorted)
	at := func(share float64) float64 {
		index := min(int(share*float64(len(sorted))), len(sorted)-1)
		return float64(sorted[index].Microseconds()) / 1000
	}
	return &Percentiles{P50: at(0.5), P99: at(0.99), P999: at(0.999), Max: at(1)}
}

func cpuSeconds() float64 {
	var usage syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &usage) != nil {
		return 0
	}
	seconds := func(time syscall.Timeval) float64 { return float64(time.Sec) + float64(time.Usec)/1e6 }
	return seconds(usage.Utime) + seconds(usage.Stime)
}
