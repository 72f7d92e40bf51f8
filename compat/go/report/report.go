// Package report runs checks and prints one JSON line for each: {client, check, ok, answer, detail,
// ms}. An answer holds nothing that may differ between two right brokers (no ids, ports or times),
// so that it can be compared.
package report

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"
)

// Check returns its answer, or panics or fails.
type Check struct {
	Name string
	Run  func() string
}

type line struct {
	Client string  `json:"client"`
	Check  string  `json:"check"`
	OK     bool    `json:"ok"`
	Answer *string `json:"answer"`
	Detail *string `json:"detail"`
	Ms     int64   `json:"ms"`
}

// Run runs the checks, width at a time, and returns the exit code.
func Run(client string, width int, limit time.Duration, checks []Check) int {
	var (
		printing sync.Mutex
		workers  sync.WaitGroup
		failed   bool
		queue    = make(chan Check)
	)
	print := func(check string, start time.Time, answer, detail *string) {
		printing.Lock()
		defer printing.Unlock()
		failed = failed || detail != nil
		text, _ := json.Marshal(line{client, check, detail == nil, answer, detail, time.Since(start).Milliseconds()})
		os.Stdout.Write(append(text, '\n'))
	}
	for range width {
		workers.Add(1)
		go func() {
			defer workers.Done()
			for check := range queue {
				start := time.Now()
				done := make(chan func(), 1)
				go func() {
					defer func() {
						if problem := recover(); problem != nil {
							detail := fmt.Sprint(problem)
							done <- func() { print(check.Name, start, nil, &detail) }
						}
					}()
					answer := check.Run()
					done <- func() { print(check.Name, start, &answer, nil) }
				}()
				select {
				case tell := <-done:
					tell()
				case <-time.After(limit):
					detail := fmt.Sprint("no end after ", limit)
					print(check.Name, start, nil, &detail)
				}
			}
		}()
	}
	for _, check := range checks {
		if strings.Contains(check.Name, os.Getenv("CHECK")) {
			queue <- check
		}
	}
	close(queue)
	workers.Wait()
	if failed {
		return 1
	}
	return 0
}

// Must ends the check when err is an error.
func Must(err error) {
	if err != nil {
		panic(err)
	}
}

// Get is a value whose error ends the check.
func Get[T any](value T, err error) T {
	Must(err)
	return value
}

// Require ends the check when condition does not hold.
func Require(condition bool, what string, values ...any) {
	if !condition {
		panic(fmt.Sprintf(what, values...))
	}
}

// Limit is how long something may take that is waited for: a limit against hangs, not a measure of speed.
const Limit = 3 * time.Minute

// Until waits, for Limit at most, until condition holds.
func Until(what string, condition func() bool) {
	end := time.Now().Add(Limit)
	for !condition() {
		Require(time.Now().Before(end), "waited too long until %s", what)
		time.Sleep(20 * time.Millisecond)
	}
}
