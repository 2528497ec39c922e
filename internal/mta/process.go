package mta

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// WaitGreeting returns when addr greets with 220, or with the reason why it
// will not: the process ended, or ten seconds are over.
func WaitGreeting(ctx context.Context, addr string, ended <-chan struct{}) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := greeted(addr)
		if err == nil {
			return nil
		}
		select {
		case <-ended:
			return errors.New("process ended before it greeted")
		case <-ctx.Done():
			return fmt.Errorf("no greeting from %s: %w", addr, err)
		case <-tick.C:
		}
	}
}

func greeted(addr string) error {
	conn, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(3 * time.Second)); err != nil {
		return err
	}
	buf := make([]byte, 512)
	n, err := conn.Read(buf)
	if err != nil {
		return err
	}
	if !bytes.HasPrefix(buf[:n], []byte("220")) {
		return fmt.Errorf("greeting %q", buf[:n])
	}
	_, err = conn.Write([]byte("QUIT\r\n"))
	return err
}

// stopGroup asks a process group that we started to end, and after five seconds
// makes it. done is closed when the leader has ended.
func stopGroup(pid int, done <-chan struct{}) {
	_ = syscall.Kill(pid, syscall.SIGTERM) // ESRCH: it is gone already
	select {
	case <-done:
	case <-time.After(5 * time.Second):
	}
	_ = syscall.Kill(-pid, syscall.SIGKILL) // what the leader left behind
	<-done
}

// runOnce runs a command in its own process group, feeds it stdin and gives
// what it printed.
func runOnce(ctx context.Context, env []string, stdin []byte, path string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Env = append(os.Environ(), env...)
	cmd.Stdin = bytes.NewReader(stdin)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	if err != nil {
		return string(out), fmt.Errorf("%s: %w: %s", path, err, out)
	}
	return string(out), nil
}
