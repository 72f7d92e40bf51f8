// A consumer of the group in Go (franz-go).
//
//	consume BOOTSTRAP TOPIC GROUP OUTPUT
//
// Writes a line for each record, `time-in-microseconds partition offset row crc32-of-value key`, commits after
// it has written, and leaves the group when its standard input ends.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"
	"log"
	"os"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

func main() {
	bootstrap, topic, group, path := os.Args[1], os.Args[2], os.Args[3], os.Args[4]
	file, err := os.Create(path)
	if err != nil {
		log.Fatal(err)
	}
	output := bufio.NewWriter(file)
	client, err := kgo.NewClient(kgo.SeedBrokers(bootstrap), kgo.ConsumerGroup(group), kgo.ConsumeTopics(topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.DisableAutoCommit(), kgo.BlockRebalanceOnPoll(),
		// A group needs an assignor that all its members know.
		kgo.Balancers(kgo.RoundRobinBalancer()),
		kgo.SessionTimeout(10*time.Second), kgo.HeartbeatInterval(time.Second), kgo.FetchMaxWait(200*time.Millisecond),
		kgo.RetryBackoffFn(func(int) time.Duration { return 100 * time.Millisecond }))
	if err != nil {
		log.Fatal(err)
	}
	running, stop := context.WithCancel(context.Background())
	go func() {
		io.Copy(io.Discard, os.Stdin)
		stop()
	}()
	for running.Err() == nil {
		fetches := client.PollRecords(running, 1000)
		fetches.EachRecord(func(record *kgo.Record) {
			var flight struct{ Row int }
			if err := json.Unmarshal(record.Value, &flight); err != nil {
				log.Fatal(err)
			}
			key := "-"
			if record.Key != nil {
				key = string(record.Key)
			}
			fmt.Fprintln(output, time.Now().UnixMicro(), record.Partition, record.Offset, flight.Row, crc32.ChecksumIEEE(record.Value), key)
		})
		if err := output.Flush(); err != nil {
			log.Fatal(err)
		}
		if !fetches.Empty() {
			// An error here: the broker is down or the group has changed; what was not committed comes again.
			limit, cancel := context.WithTimeout(context.Background(), 5*time.Second)
			client.CommitUncommittedOffsets(limit)
			cancel()
		}
		client.AllowRebalance()
	}
	client.Close()
}
