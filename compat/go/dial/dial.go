// Package dial makes clients that look for their broker again at once after it was killed.
package dial

import (
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	. "ottla/compat/report"
)

// Client is a client with these options on top.
func Client(bootstrap string, options ...kgo.Opt) *kgo.Client {
	base := []kgo.Opt{kgo.SeedBrokers(bootstrap), kgo.MetadataMinAge(100 * time.Millisecond), kgo.RetryBackoffFn(func(int) time.Duration { return 100 * time.Millisecond })}
	return Get(kgo.NewClient(append(base, options...)...))
}
