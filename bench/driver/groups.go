package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Rebalance is one change of a group: how long until its members share the partitions evenly, and what it cost.
type Rebalance struct {
	Seconds          float64 `json:"seconds"`
	BrokerCPUSeconds float64 `json:"broker_cpu_seconds"`
}

// share counts what each member of a group owns, as its callbacks tell.
type share struct {
	lock    sync.Mutex
	owned   map[*kgo.Client]map[int32]bool
	changed chan struct{}
}

func (s *share) member(extra ...kgo.Opt) (*kgo.Client, error) {
	change := func(own bool) func(context.Context, *kgo.Client, map[string][]int32) {
		return func(_ context.Context, client *kgo.Client, partitions map[string][]int32) {
			s.lock.Lock()
			defer s.lock.Unlock()
			if s.owned[client] == nil {
				s.owned[client] = make(map[int32]bool)
			}
			for _, partition := range partitions[*topic] {
				if own {
					s.owned[client][partition] = true
				} else {
					delete(s.owned[client], partition)
				}
			}
			select {
			case s.changed <- struct{}{}:
			default:
			}
		}
	}
	client, err := kgo.NewClient(append([]kgo.Opt{
		kgo.SeedBrokers(*broker),
		kgo.ConsumeTopics(*topic),
		kgo.ConsumerGroup(*topic + "-group"),
		kgo.MetadataMinAge(20 * time.Millisecond),
		kgo.DisableAutoCommit(),
		// Nothing is to be read: a rebalance is measured, not the fetches beside it.
		kgo.FetchMaxWait(5 * time.Second),
		kgo.OnPartitionsAssigned(change(true)),
		kgo.OnPartitionsRevoked(change(false)),
		kgo.OnPartitionsLost(change(false)),
	}, extra...)...)
	if err != nil {
		return nil, err
	}
	client.PauseFetchTopics(*topic)
	go func() {
		for !client.PollFetches(context.Background()).IsClientClosed() {
		}
	}()
	return client, nil
}

// even says whether these members own all partitions, each of them one more than another at most.
func (s *share) even(members []*kgo.Client) bool {
	s.lock.Lock()
	defer s.lock.Unlock()
	seen := make(map[int32]bool)
	least, most, sum := *partitions, 0, 0
	for _, client := range members {
		count := len(s.owned[client])
		least, most, sum = min(least, count), max(most, count), sum+count
		for partition := range s.owned[client] {
			seen[partition] = true
		}
	}
	return len(seen) == *partitions && sum == *partitions && most-least <= 1
}

// settle does something to the group, and waits until its members share the partitions evenly.
func (s *share) settle(ctx context.Context, change func() ([]*kgo.Client, error)) (*Rebalance, error) {
	before, start := brokerCPUSeconds(), time.Now()
	members, err := change()
	if err != nil {
		return nil, err
	}
	for !s.even(members) {
		select {
		case <-s.changed:
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return nil, fmt.Errorf("the group does not settle: %w", ctx.Err())
		}
	}
	return &Rebalance{time.Since(start).Seconds(), brokerCPUSeconds() - before}, nil
}

// All members but one come at once, then the last, and then one goes.
func rebalance(ctx context.Context) (Result, error) {
	protocol := kgo.Balancers(kgo.CooperativeStickyBalancer())
	if *protocolName == "consumer" {
		protocol = kgo.ServerSideBalancer()
	}
	s := &share{owned: make(map[*kgo.Client]map[int32]bool), changed: make(chan struct{}, 1)}
	var running []*kgo.Client
	defer func() {
		for _, client := range running {
			client.Close()
		}
	}()
	join := func(count int) func() ([]*kgo.Client, error) {
		return func() ([]*kgo.Client, error) {
			for range count {
				client, err := s.member(protocol)
				if err != nil {
					return nil, err
				}
				running = append(running, client)
			}
			return running, nil
		}
	}
	result := Result{Records: int64(*members)}
	var err error
	if result.First, err = s.settle(ctx, join(*members-1)); err != nil {
		return result, err
	}
	if result.Join, err = s.settle(ctx, join(1)); err != nil {
		return result, err
	}
	result.Leave, err = s.settle(ctx, func() ([]*kgo.Client, error) {
		gone := running[0]
		running = running[1:]
		gone.Close()
		return running, nil
	})
	return result, err
}
