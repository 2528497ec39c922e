package failpoint_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sesame-mta/sesame/internal/failpoint"
)

func ExampleParse() {
	points, _ := failpoint.Parse("batch.commit=error:ENOSPC@2!")
	for range 3 {
		fmt.Println(points.Hit("batch.commit"))
	}
	// Output:
	// <nil>
	// failpoint batch.commit: no space left on device
	// <nil>
}

func TestANilSetHasNoPoints(t *testing.T) {
	var s *failpoint.Set
	if err := s.Hit("anything"); err != nil {
		t.Fatalf("Hit on a nil set = %v, want nil", err)
	}
	if s, err := failpoint.Parse(""); s != nil || err != nil {
		t.Fatalf("Parse of nothing = %v, %v, want nil, nil", s, err)
	}
}

func TestAPointActsFromItsCountOn(t *testing.T) {
	s := &failpoint.Set{}
	s.Arm("p", 2, failpoint.Fail(syscall.EIO))
	for i, want := range []error{nil, syscall.EIO, syscall.EIO} {
		if err := s.Hit("p"); !errors.Is(err, want) {
			t.Errorf("hit %d = %v, want %v", i+1, err, want)
		}
	}
	if err := s.Hit("other"); err != nil {
		t.Errorf("another point = %v, want nil", err)
	}
}

func TestADelayWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := failpoint.Parse("p=delay:2s")
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		if err := s.Hit("p"); err != nil || time.Since(start) != 2*time.Second {
			t.Fatalf("Hit = %v after %v, want nil after 2s", err, time.Since(start))
		}
	})
}

func TestKillEndsTheProcessWithoutDefers(t *testing.T) {
	if os.Getenv(failpoint.Env) != "" {
		s, err := failpoint.FromEnv()
		if err != nil {
			t.Fatal(err)
		}
		t.Fatal("still alive: ", s.Hit("p"))
	}
	cmd := exec.Command(os.Args[0], "-test.run", "^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), failpoint.Env+"=p=kill")
	err := cmd.Run()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Fatalf("child ended with %v, want killed", err)
	}
}

func TestParseRefusesWhatItDoesNotKnow(t *testing.T) {
	for _, text := range []string{"p", "=kill", "p=stop", "p=kill@0", "p=kill@x", "p=delay:soon", "p=error:EWHAT"} {
		if s, err := failpoint.Parse(text); err == nil {
			t.Errorf("Parse(%q) = %v, want an error", text, s)
		}
	}
}
