// Produces the sample records (see Batches.java) with franz-go, in all codecs; or consumes a topic.
//
//	franz-go produce BOOTSTRAP
//	franz-go consume BOOTSTRAP TOPIC END   prints offset, timestamp, key, value and headers of each record before END
package main

import (
	"context"
	"fmt"
	"hash/crc32"
	"log"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	timeMs = 1_700_000_000_000
	count  = 120
)

func sample(topic string, i int) *kgo.Record {
	record := &kgo.Record{Topic: topic, Timestamp: time.UnixMilli(timeMs + int64(i)*1000 - int64(i%3)*5000)}
	if i == count {
		var text strings.Builder
		for n := 0; text.Len() < 70_000; n++ {
			text.WriteString(strconv.Itoa(n) + " ")
		}
		record.Key, record.Value = []byte("big"), []byte(text.String()[:70_000])
		return record
	}
	if i == 12 {
		record.Key = []byte{}
	} else if i%7 != 3 {
		record.Key = []byte(fmt.Sprintf("key-%d", i))
	}
	if i%11 != 5 {
		record.Value = []byte(strings.Repeat(fmt.Sprintf("value-%d ", i), i%40))
	}
	if i%5 == 0 {
		record.Headers = []kgo.RecordHeader{{Key: "n", Value: []byte(strconv.Itoa(i))}, {Key: "ключ"}}
	}
	return record
}

func produce(bootstrap string) {
	codecs := map[string]kgo.CompressionCodec{
		"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(),
		"lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
	}
	for name, codec := range codecs {
		client, err := kgo.NewClient(kgo.SeedBrokers(bootstrap), kgo.ProducerBatchCompression(codec),
			kgo.ProducerLinger(2*time.Second), kgo.ProducerBatchMaxBytes(900_000))
		if err != nil {
			log.Fatal(err)
		}
		for i := 0; i <= count; i++ {
			client.Produce(context.Background(), sample("franz-go-"+name, i), func(_ *kgo.Record, err error) {
				if err != nil {
					log.Fatal(err)
				}
			})
		}
		if err := client.Flush(context.Background()); err != nil {
			log.Fatal(err)
		}
		client.Close()
	}
}

func sum(data []byte) string {
	if data == nil {
		return "-"
	}
	return fmt.Sprintf("%d:%x", len(data), crc32.ChecksumIEEE(data))
}

func consume(bootstrap, topic string, end int64) {
	client, err := kgo.NewClient(kgo.SeedBrokers(bootstrap),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {0: kgo.NewOffset().At(0)}}))
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	for next := int64(0); next < end; {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			log.Fatal(err)
		}
		fetches.EachRecord(func(record *kgo.Record) {
			line := fmt.Sprintf("%d %d %s %s", record.Offset, record.Timestamp.UnixMilli(), sum(record.Key), sum(record.Value))
			for _, header := range record.Headers {
				line += fmt.Sprintf(" %s=%s", header.Key, sum(header.Value))
			}
			fmt.Println(line)
			next = record.Offset + 1
		})
	}
}

func main() {
	switch os.Args[1] {
	case "produce":
		produce(os.Args[2])
	case "consume":
		end, err := strconv.ParseInt(os.Args[4], 10, 64)
		if err != nil {
			log.Fatal(err)
		}
		consume(os.Args[2], os.Args[3], end)
	}
}
