package receiving_test

import (
	"errors"
	"io"
	"sync"
	"testing"

	"github.com/sesame-mta/sesame/mail"
)

// Each recipient of a message knows its reverse-path.
func TestReportsInAllCombinationsMakeAMailForEachRecipient(t *testing.T) {
	w := newWorld(t)
	r := w.receiver()
	to := []string{"a@example.net", "b@example.net", "c@example.net", "d@example.net"}
	m := w.left(to...)
	for set := 1; set < 1<<len(to); set++ {
		var failed []string
		for i, address := range to {
			if set>>i&1 == 1 {
				failed = append(failed, address)
			}
		}
		if err := r.Receive(t.Context(), request(returns("5.1.1", "550 5.1.1 no such user", failed...), "", bounces(m))); err != nil {
			t.Fatal(err)
		}
	}
	if len(w.told) != len(to) || len(w.notices) != len(to) {
		t.Errorf("%d bounces told, %d mails, want %d of each", len(w.told), len(w.notices), len(to))
	}
}

// slow gives some octets, and then nothing until it is let go.
type slow struct {
	left    int
	blocked chan<- struct{}
	release <-chan struct{}
}

func (s *slow) Read(p []byte) (int, error) {
	if n := min(s.left, len(p)); n > 0 {
		s.left -= n
		return n, nil
	}
	s.blocked <- struct{}{}
	<-s.release
	return 0, io.EOF
}

func TestAFloodOfLargeMailIsPutOffAndKeepsNoReportWaiting(t *testing.T) {
	w := newWorld(t)
	r := w.receiver()
	m := w.left("bob@example.net")
	blocked, release := make(chan struct{}), make(chan struct{})
	var flood sync.WaitGroup
	large := func(release <-chan struct{}) error {
		q := request("", "eve@example.com", bounces(m))
		q.Content = content{&slow{8 << 20, blocked, release}}
		return r.Receive(t.Context(), q)
	}
	for range 6 {
		flood.Go(func() {
			if err := large(release); err != nil {
				t.Errorf("of the flood: %v", err)
			}
		})
		<-blocked
	}
	now := make(chan struct{})
	close(now)
	go func() { <-blocked }()
	err := large(now)
	if reply := (*mail.Reply)(nil); !errors.As(err, &reply) || reply.Code != 451 {
		t.Errorf("one more, while there is no memory: %v", err)
	}
	if err := r.Receive(t.Context(), request(returns("5.1.1", "550 no", "bob@example.net"), "", bounces(m))); err != nil || len(w.told) != 1 {
		t.Errorf("a report meanwhile: %v, %d told", err, len(w.told))
	}
	close(release)
	flood.Wait()
	go func() { <-blocked }()
	if err := large(now); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

func TestAFloodOfShortMailIsPutOff(t *testing.T) {
	w := newWorld(t)
	r := w.receiver()
	m := w.left("bob@example.net")
	blocked, release := make(chan struct{}), make(chan struct{})
	var flood sync.WaitGroup
	for range 64 {
		flood.Go(func() {
			q := request("", "eve@example.com", bounces(m))
			q.Content = content{&slow{256 << 10, blocked, release}}
			if err := r.Receive(t.Context(), q); err != nil {
				t.Errorf("of the flood: %v", err)
			}
		})
	}
	for range 64 {
		<-blocked
	}
	again := func() error {
		return r.Receive(t.Context(), request(returns("5.1.1", "550 no", "bob@example.net"), "", bounces(m)))
	}
	err := again()
	if reply := (*mail.Reply)(nil); !errors.As(err, &reply) || reply.Code != 451 {
		t.Errorf("while there is no memory: %v", err)
	}
	close(release)
	flood.Wait()
	if err := again(); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}
