// Package failpoint lets a test stop, delay or fail the program at a named
// point. It owns the points that are armed; the code that is tested names them
// by calling Hit. A nil Set has no points and costs nothing, so production code
// carries one everywhere. It keeps no package state.
package failpoint

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Env is the environment variable that FromEnv reads.
const Env = "SESAME_FAILPOINTS"

// ErrInjected is what a point armed with "error" gives.
var ErrInjected = errors.New("injected failure")

// Set is the armed points. It is safe for concurrent use.
type Set struct {
	mu     sync.Mutex
	points map[string][]*point
}

type point struct {
	act   func() error
	after int  // hits to let pass first
	once  bool // act at one hit only
	hits  int
}

// Arm makes act run at the nth hit of a point (1 is the first) and at every one
// after it. Several can be armed at one point; the first error wins.
func (s *Set) Arm(name string, nth int, act func() error) {
	s.arm(name, &point{act: act, after: nth - 1})
}

// ArmOnce makes act run at the nth hit of a point only.
func (s *Set) ArmOnce(name string, nth int, act func() error) {
	s.arm(name, &point{act: act, after: nth - 1, once: true})
}

func (s *Set) arm(name string, p *point) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.points == nil {
		s.points = make(map[string][]*point)
	}
	s.points[name] = append(s.points[name], p)
}

// Hit passes a point. The error is what was armed there.
func (s *Set) Hit(name string) error {
	if s == nil {
		return nil
	}
	var first error
	for _, act := range s.due(name) {
		if err := act(); err != nil && first == nil {
			first = fmt.Errorf("failpoint %s: %w", name, err)
		}
	}
	return first
}

// due counts the hit and gives the actions to run, outside the lock.
func (s *Set) due(name string) []func() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var acts []func() error
	for _, p := range s.points[name] {
		p.hits++
		if p.hits == p.after+1 || p.hits > p.after && !p.once {
			acts = append(acts, p.act)
		}
	}
	return acts
}

// Kill ends the process as kill -9 does: nothing is flushed, no defer runs.
func Kill() error {
	if err := syscall.Kill(os.Getpid(), syscall.SIGKILL); err != nil {
		return err
	}
	select {} // the signal is on its way
}

// Delay gives an action that waits.
func Delay(d time.Duration) func() error {
	return func() error {
		t := time.NewTimer(d)
		defer t.Stop()
		<-t.C
		return nil
	}
}

// Fail gives an action that gives err.
func Fail(err error) func() error { return func() error { return err } }

// FromEnv arms what the environment variable says; without it the Set is nil.
func FromEnv() (*Set, error) {
	return Parse(os.Getenv(Env))
}

// Parse reads points like
//
//	batch.commit=kill@3,draft.write=error:ENOSPC,batch.sync=delay:2ms
//
// parted by commas: a name, what happens (kill, delay:DURATION, error or error:
// with EIO, ENOSPC, EDQUOT or EMFILE) and from which hit on; a "!" after the
// number means at that hit only. Empty text gives a nil Set.
func Parse(text string) (*Set, error) {
	if text == "" {
		return nil, nil
	}
	s := &Set{}
	for item := range strings.SplitSeq(text, ",") {
		name, action, ok := strings.Cut(strings.TrimSpace(item), "=")
		if !ok || name == "" {
			return nil, fmt.Errorf("failpoint %q: want name=action", item)
		}
		p, err := parsePoint(action)
		if err != nil {
			return nil, fmt.Errorf("failpoint %q: %w", item, err)
		}
		s.arm(name, p)
	}
	return s, nil
}

func parsePoint(text string) (*point, error) {
	p := &point{}
	action, nth, counted := strings.Cut(text, "@")
	if counted {
		nth, p.once = strings.CutSuffix(nth, "!")
		n, err := strconv.Atoi(nth)
		if err != nil || n < 1 {
			return nil, fmt.Errorf("bad count %q", nth)
		}
		p.after = n - 1
	}
	verb, arg, _ := strings.Cut(action, ":")
	switch verb {
	case "kill":
		p.act = Kill
	case "delay":
		d, err := time.ParseDuration(arg)
		if err != nil {
			return nil, err
		}
		p.act = Delay(d)
	case "error":
		err, ok := map[string]error{
			"": ErrInjected, "EIO": syscall.EIO, "ENOSPC": syscall.ENOSPC,
			"EDQUOT": syscall.EDQUOT, "EMFILE": syscall.EMFILE,
		}[arg]
		if !ok {
			return nil, fmt.Errorf("unknown error %q", arg)
		}
		p.act = Fail(err)
	default:
		return nil, fmt.Errorf("unknown action %q", verb)
	}
	return p, nil
}
