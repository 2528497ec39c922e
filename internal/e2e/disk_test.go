//go:build e2e && linux

package e2e_test

import (
	"bytes"
	"context"
	"errors"
	"net/textproto"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sesame-mta/sesame/bench/load"
	"github.com/sesame-mta/sesame/bench/sink"
)

// When the disk is full, the door says 452 4.3.1, what is in the queue is still
// delivered, and mail is taken again as soon as there is room.
func TestDiskFull(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	if err := os.Mkdir(data, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", data, "tmpfs", 0, "size=256m,mode=0700"); err != nil {
		if inCI() {
			t.Fatal(err)
		}
		t.Skipf("mounting a small disk needs root: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(data, 0); err != nil {
			t.Error(err)
		}
	})
	// At first all is deferred, so that it stays in the queue.
	sk, err := sink.Listen("127.0.0.1:0", sink.Options{Pipelining: true, Chunking: true, Defer: 100})
	if err != nil {
		t.Fatal(err)
	}
	defer sk.Close()
	s := newSesame(t, settings{data: data, port: portOf(t, sk.Addr()), listen: `trusted_networks = ["127.0.0.0/8"]`})
	s.verify("example.com")

	o := load.Options{Addr: s.addr, Connections: 4, Messages: 200, Run: "before", Pipelining: true}
	before, err := load.Run(t.Context(), o)
	if err != nil || before.Accepted != o.Messages {
		t.Fatalf("accepted %+v, %v; want all", before, err)
	}
	ballast := filepath.Join(data, "ballast")
	fill(t, ballast)
	err = send(s.addr)
	var reply *textproto.Error
	if !errors.As(err, &reply) || reply.Code != 452 || !bytes.HasPrefix([]byte(reply.Msg), []byte("4.3.1")) {
		t.Errorf("on a full disk: %v, want 452 4.3.1", err)
	}

	sk.Defer(0)
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	if err := sk.WaitFor(ctx, before.Accepted); err != nil {
		t.Fatalf("with the disk full: %v", err)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	for err = send(s.addr); err != nil && ctx.Err() == nil; err = send(s.addr) {
		tick(t, 200*time.Millisecond)
	}
	if err != nil {
		t.Fatalf("with room again: %v", err)
	}
	if err := sk.WaitFor(ctx, before.Accepted+1); err != nil {
		t.Fatal(err)
	}
	if lost, doubled := sk.Check(before.Acknowledged); len(lost)+len(doubled) > 0 {
		t.Errorf("lost %d, doubled %d", len(lost), len(doubled))
	}
}

// fill writes a file until the disk has no room.
func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for block := make([]byte, 64<<10); err == nil; {
		_, err = f.Write(block)
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
}

// send sends one message without TLS, as a trusted client may.
func send(addr string) error {
	return smtpSend(addr, "From: sender@example.com\r\nSubject: one more\r\n\r\n"+strings.Repeat("0123456789\r\n", 5000))
}
