package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	. "ottla/compat/report"
)

// starter starts members: in Go this program itself, in Java a class, in other languages their scripts.
type starter struct{ python, scripts, classPath, bootstrap, topic string }

func (it starter) command(kind, group, output string) *exec.Cmd {
	language, strategy, _ := strings.Cut(kind, ":")
	switch language {
	case "python":
		return exec.Command(it.python, filepath.Join(it.scripts, "member.py"), it.bootstrap, it.topic, group, output, strategy)
	case "java":
		// Small and quick to start: there are several of them at once, and they are killed often.
		return exec.Command("java", "-Xmx96m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", it.classPath, "Member",
			it.bootstrap, it.topic, group, output, strategy)
	case "node":
		return exec.Command("node", filepath.Join(it.scripts, "member.js"), it.bootstrap, it.topic, group, output)
	default:
		return exec.Command(Get(os.Executable()), "member", kind, it.bootstrap, it.topic, group, output)
	}
}

// process is a member that runs.
type process struct {
	kind    int
	command *exec.Cmd
	stdin   io.Closer
	// When a paused one goes on; zero for one that is not paused.
	paused time.Time
}

func (it *process) signal(signal syscall.Signal) { Must(it.command.Process.Signal(signal)) }

// group is one consumer group, its members and what was seen of it.
type group struct {
	name, topic, folder string
	// Its members keep what they have while they join anew. One that was let go while it was paused, and has joined again,
	// may then commit in the generation that took a partition from it what it had read before: the classic protocol checks
	// the member and the generation only (docs/concepts/groups.md; Apache Kafka gives the same answers, step by step, to the
	// scenario "who has lost a partition may commit for it" in crates/groups/src/tests/offsets.rs, and lets offsets go back in
	// this churn too). So that an offset goes back is only told of these.
	cooperative         bool
	back                int
	running             []*process
	started             int
	left, killed, stops int
	complaining         sync.Mutex
	complaints          []string

	read map[int64]bool
	// How many records were read by clients of each kind, the same ones twice where they were read twice.
	readers map[string]int
	// How much of each member's output has been looked at, and who owned what in which generation.
	seen   map[string]int64
	owners map[string]string
	// The last offset that a member has read of a partition since it was assigned to it; of those that tell when that is.
	at map[string]int64
	// How many reads came behind another one of the same assignment, as they must.
	followed int
	twice    int
}

// Where a member begins to read when a partition is assigned to it: at what somebody has committed.
const unknown = -1

// churn starts all members, and then disturbs one after the other until stop.
func (g *group) churn(start starter, kinds []kind, random *rand.Rand, pause time.Duration, stop <-chan struct{}) {
	wanted := 0
	for number, kind := range kinds {
		for range kind.count {
			g.start(start, kinds, number)
			wanted++
		}
	}
	for {
		select {
		case <-stop:
			for _, it := range g.running {
				it.signal(syscall.SIGCONT)
			}
			return
		case <-time.After(time.Duration(200+random.IntN(800)) * time.Millisecond):
		}
		for _, it := range g.running {
			if !it.paused.IsZero() && it.paused.Before(time.Now()) {
				it.signal(syscall.SIGCONT)
				it.paused = time.Time{}
			}
		}
		// A third of them is always there, a third may be away; what is missing comes back.
		if len(g.running) < wanted && (len(g.running) <= wanted*2/3 || random.IntN(2) == 0) {
			g.start(start, kinds, g.missing(kinds))
			continue
		}
		it := g.running[random.IntN(len(g.running))]
		switch random.IntN(4) {
		case 0:
			g.left++
			it.signal(syscall.SIGCONT)
			g.end(it)
		case 1:
			g.killed++
			it.signal(syscall.SIGKILL)
			g.end(it)
		default:
			if it.paused.IsZero() {
				g.stops++
				it.signal(syscall.SIGSTOP)
				it.paused = time.Now().Add(time.Second + time.Duration(random.Int64N(int64(pause))))
			}
		}
	}
}

// missing is a kind of which there are fewer than there should be.
func (g *group) missing(kinds []kind) int {
	for number, kind := range kinds {
		for _, it := range g.running {
			if it.kind == number {
				kind.count--
			}
		}
		if kind.count > 0 {
			return number
		}
	}
	return 0
}

func (g *group) start(start starter, kinds []kind, number int) {
	output := filepath.Join(g.folder, fmt.Sprintf("%03d-%s", g.started, kinds[number].name))
	g.started++
	command := start.command(kinds[number].name, g.name, output)
	command.Stderr = Get(os.Create(filepath.Join(g.folder, filepath.Base(output)+".log")))
	stdin := Get(command.StdinPipe())
	Must(command.Start())
	g.running = append(g.running, &process{kind: number, command: command, stdin: stdin})
}

// end closes a member's stdin, at which it leaves, and forgets it; it may take its time.
func (g *group) end(it *process) {
	it.stdin.Close()
	go it.command.Wait()
	for index, one := range g.running {
		if one == it {
			g.running = append(g.running[:index], g.running[index+1:]...)
			return
		}
	}
}

func (g *group) complain(what string, values ...any) {
	g.complaining.Lock()
	defer g.complaining.Unlock()
	g.complaints = append(g.complaints, fmt.Sprintf(what, values...))
}

// settle waits until the members that are left have read and committed all that was acked.
func (g *group) settle(admin *kadm.Client, total int64) {
	end := time.Now().Add(settleLimit)
	for {
		g.look()
		behind := g.behind(admin)
		if int64(len(g.read)) >= total && behind == "" {
			return
		}
		Require(time.Now().Before(end), "%s: %d of %d records are read after %v, and %s (what its members wrote is in %s)", g.name, len(g.read), total, settleLimit, behind, g.folder)
		time.Sleep(200 * time.Millisecond)
	}
}

// behind names a partition that is not committed to its end.
func (g *group) behind(admin *kadm.Client) string {
	ends, err := admin.ListEndOffsets(ctx, g.topic)
	if err == nil {
		err = ends.Error()
	}
	committed, problem := admin.FetchOffsets(ctx, g.name)
	if err = errors.Join(err, problem); err != nil {
		return err.Error()
	}
	for partition, end := range ends[g.topic] {
		if at := committed[g.topic][partition].At; at != end.Offset {
			return fmt.Sprintf("partition %d is committed to %d, its log ends at %d", partition, at, end.Offset)
		}
	}
	return ""
}

// stop lets all members leave.
func (g *group) stop() {
	for _, it := range g.running {
		it.stdin.Close()
	}
	for _, it := range g.running {
		timer := time.AfterFunc(leaveLimit, func() { it.command.Process.Kill() })
		it.command.Wait()
		Require(timer.Stop(), "%s: a member does not leave (%v)", g.name, it.command.Args)
	}
	g.look()
}

// look reads what the members have written since it last did.
func (g *group) look() {
	if g.read == nil {
		g.read, g.seen, g.owners, g.readers, g.at = map[int64]bool{}, map[string]int64{}, map[string]string{}, map[string]int{}, map[string]int64{}
	}
	for _, path := range Get(filepath.Glob(filepath.Join(g.folder, "*"))) {
		if strings.HasSuffix(path, ".log") {
			continue
		}
		client, _, _ := strings.Cut(strings.TrimLeft(filepath.Base(path), "0123456789-"), ":")
		file := Get(os.Open(path))
		Get(file.Seek(g.seen[path], io.SeekStart))
		lines := bufio.NewReader(file)
		for {
			line, err := lines.ReadString('\n')
			if err != nil {
				// The end, perhaps in the middle of a line.
				break
			}
			g.seen[path] += int64(len(line))
			words := strings.Fields(line)
			switch words[0] {
			case "read":
				value := Get(strconv.ParseInt(words[3], 10, 64))
				if g.read[value] {
					g.twice++
				}
				g.read[value] = true
				g.readers[client]++
				place, offset := path+"/"+words[1], Get(strconv.ParseInt(words[2], 10, 64))
				if last, told := g.at[place]; told {
					// No record is missing in the log, and nothing but an assignment moves a member.
					switch {
					case last == unknown:
					case offset == last+1:
						g.followed++
					default:
						g.complain("%s reads offset %d of partition %s behind offset %d", filepath.Base(path), offset, words[1], last)
					}
					g.at[place] = offset
				}
			case "begin":
				for _, partition := range words[1:] {
					g.at[path+"/"+partition] = unknown
				}
			case "own":
				for _, partition := range words[2:] {
					place := words[1] + "/" + partition
					other, taken := g.owners[place]
					if taken && other != path {
						g.complain("in generation %s, partition %s is owned by %s and %s", words[1], partition, filepath.Base(other), filepath.Base(path))
					}
					g.owners[place] = path
				}
			}
		}
		file.Close()
	}
}

// watch looks at the group as the broker tells it, until the context ends.
func (g *group) watch(running context.Context, admin *kadm.Client) {
	committed := map[int32]int64{}
	for running.Err() == nil {
		limit, cancel := context.WithTimeout(running, 5*time.Second)
		if offsets, err := admin.FetchOffsets(limit, g.name); err == nil {
			for partition, offset := range offsets[g.topic] {
				if offset.Err == nil && offset.At < committed[partition] {
					g.back++
					if !g.cooperative {
						g.complain("the committed offset of partition %d went back from %d to %d", partition, committed[partition], offset.At)
					}
				}
				committed[partition] = offset.At
			}
		}
		owners := map[int32]string{}
		own := func(member string, assigned map[int32]struct{}) {
			for partition := range assigned {
				if other, taken := owners[partition]; taken {
					g.complain("partition %d is assigned to %s and %s", partition, other, member)
				}
				owners[partition] = member
			}
		}
		if g.name == "consumer" {
			if described, err := admin.DescribeConsumerGroups(limit, g.name); err == nil {
				for _, member := range described[g.name].Members {
					own(member.MemberID, member.Assignment[g.topic])
				}
			}
		} else if described, err := admin.DescribeGroups(limit, g.name); err == nil && described[g.name].State == "Stable" {
			for _, member := range described[g.name].Members {
				if assigned, ok := member.Assigned.AsConsumer(); ok {
					for _, topic := range assigned.Topics {
						set := map[int32]struct{}{}
						for _, partition := range topic.Partitions {
							set[partition] = struct{}{}
						}
						own(member.MemberID, set)
					}
				}
			}
		}
		cancel()
		time.Sleep(200 * time.Millisecond)
	}
}

// told is what the group went through.
func (g *group) told() string {
	return fmt.Sprintf("%s: %d members, %d left, %d killed, %d paused, %d read twice, %d seen in order, %d offsets seen to go back, read by %v",
		g.name, g.started, g.left, g.killed, g.stops, g.twice, g.followed, g.back, strings.TrimPrefix(fmt.Sprint(g.readers), "map"))
}
