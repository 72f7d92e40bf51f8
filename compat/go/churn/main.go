// Groups whose members join, leave, crash and pause all the time, while a producer runs and the broker is killed.
//
//	churn work BOOTSTRAP TOPIC FOLDER PYTHON SCRIPTS CLASSPATH SEED PAUSE   until stdin ends; then it looks at what it has seen
//	churn member KIND BOOTSTRAP TOPIC GROUP OUTPUT                          one of the members
//
// Each member is a process of its own, so that `kill -9` and SIGSTOP do to it what they do to a real one. What is checked,
// for each group: every acked record is consumed; no partition has two owners in one generation; from an assignment on a
// member reads a partition's records one after the other, none of them skipped and none again (of the clients that tell
// when they are given what); committed offsets never go back (but see group.cooperative), and end where the log does. PAUSE is the longest pause, in seconds.
package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"ottla/compat/dial"
	. "ottla/compat/report"
)

const (
	partitions = 24
	// Records a second, and how many of them wait for their ack at once.
	rate     = 2000
	inFlight = 2000
	// How long the groups may take for what is left when nothing is disturbed any more.
	settleLimit = 15 * time.Minute
	// And a member to leave. Limits against hangs, not measures of speed.
	leaveLimit = 5 * time.Minute
	// Java's names of assignors.
	roundRobin  = "org.apache.kafka.clients.consumer.RoundRobinAssignor"
	cooperative = "org.apache.kafka.clients.consumer.CooperativeStickyAssignor"
)

var ctx = context.Background()

// The groups, and how many members of which kind each has: 50 in all. All of a group's members know one assignor.
var groups = []struct {
	name    string
	members []kind
}{
	{"eager", []kind{{"franz-eager", 7}, {"sarama", 5}, {"python:roundrobin", 3}, {"node", 3}, {"java:" + roundRobin, 2}}},
	{"cooperative", []kind{{"franz-cooperative", 7}, {"python:cooperative-sticky", 6}, {"java:" + cooperative, 2}}},
	{"consumer", []kind{{"franz-consumer", 6}, {"python:consumer", 7}, {"java:consumer", 2}}},
}

type kind struct {
	name  string
	count int
}

func main() {
	switch os.Args[1] {
	case "member":
		member(os.Args[2], os.Args[3], os.Args[4], os.Args[5], os.Args[6])
	case "work":
		seed := Get(strconv.ParseUint(os.Args[8], 10, 64))
		pause := time.Duration(Get(strconv.Atoi(os.Args[9]))) * time.Second
		start := starter{python: os.Args[5], scripts: os.Args[6], classPath: os.Args[7], bootstrap: os.Args[2], topic: os.Args[3]}
		work(os.Args[2], os.Args[3], os.Args[4], start, seed, pause)
	default:
		panic("no such command: " + os.Args[1])
	}
}

func work(bootstrap, topic, folder string, start starter, seed uint64, pause time.Duration) {
	admin := kadm.NewClient(dial.Client(bootstrap))
	Must(Get(admin.CreateTopic(ctx, partitions, 1, nil, topic)).Err)
	stop := make(chan struct{})
	go func() {
		io.Copy(io.Discard, os.Stdin)
		close(stop)
	}()

	var acked atomic.Int64
	producing := make(chan int64)
	go func() { producing <- produce(bootstrap, topic, &acked, stop) }()

	var all []*group
	var churning sync.WaitGroup
	watching, unwatch := context.WithCancel(ctx)
	var watchers sync.WaitGroup
	for number, it := range groups {
		group := &group{name: it.name, topic: topic, folder: filepath.Join(folder, it.name), cooperative: it.name == "cooperative"}
		Must(os.MkdirAll(group.folder, 0o755))
		all = append(all, group)
		churning.Go(func() { group.churn(start, it.members, rand.New(rand.NewPCG(seed, uint64(number))), pause, stop) })
		watchers.Go(func() { group.watch(watching, kadm.NewClient(dial.Client(bootstrap))) })
	}
	for running := true; running; {
		select {
		case <-stop:
			running = false
		case <-time.After(100 * time.Millisecond):
			fmt.Println("acked", acked.Load())
		}
	}
	total := <-producing
	churning.Wait()
	summary := fmt.Sprint("acked ", total)
	for _, group := range all {
		group.settle(admin, total)
		group.stop()
	}
	unwatch()
	watchers.Wait()
	for _, group := range all {
		summary += "; " + group.told()
		Require(len(group.complaints) == 0, "%s: %v", group.name, group.complaints)
		Require(group.followed > 0, "%s: no member has told where it begins to read", group.name)
	}
	fmt.Println(summary)
}

// produce sends the numbers from 0 on, and returns how many there are when all of them are acked.
func produce(bootstrap, topic string, acked *atomic.Int64, stop <-chan struct{}) int64 {
	producer := dial.Client(bootstrap, kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.MaxBufferedRecords(inFlight), kgo.RecordDeliveryTimeout(settleLimit))
	defer producer.Close()
	ticks := time.NewTicker(10 * time.Millisecond)
	defer ticks.Stop()
	for sent := int64(0); ; {
		select {
		case <-stop:
			Must(producer.Flush(ctx))
			return sent
		case <-ticks.C:
			for range rate / 100 {
				record := &kgo.Record{Topic: topic, Partition: int32(sent % partitions), Value: fmt.Append(nil, sent)}
				sent++
				producer.Produce(ctx, record, func(_ *kgo.Record, err error) {
					Must(err)
					acked.Add(1)
				})
			}
		}
	}
}
