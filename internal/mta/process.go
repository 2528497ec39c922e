package mta

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
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

// Process is a server that was started in a process group of its own, and that
// on Linux ends when the program that started it does.
type Process struct {
	// Done is closed when it has ended; Err then tells how.
	Done <-chan struct{}
	Err  error

	cmd *exec.Cmd
}

// Start starts a command. Stop must be called.
func Start(cmd *exec.Cmd) (*Process, error) {
	done := make(chan struct{})
	p := &Process{Done: done, cmd: cmd}
	started := make(chan error)
	cmd.SysProcAttr = ownGroup()
	go func() {
		// The signal comes when the thread that started the process ends: keep it.
		runtime.LockOSThread()
		if err := cmd.Start(); err != nil {
			started <- err
			return
		}
		started <- nil
		p.Err = cmd.Wait()
		close(done)
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	return p, nil
}

// PID is the number of the process, and of its group.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Kill ends the group at once, as kill -9 does, and waits for the process.
func (p *Process) Kill() {
	_ = syscall.Kill(-p.PID(), syscall.SIGKILL) // ESRCH: it is gone already
	<-p.Done
}

// Stop asks the process to end, waits for it as long as grace, and then ends
// what is left of its group.
func (p *Process) Stop(grace time.Duration) {
	_ = syscall.Kill(p.PID(), syscall.SIGTERM) // ESRCH: it is gone already
	select {
	case <-p.Done:
	case <-time.After(grace):
	}
	p.Kill()
}

// runOnce runs a command in its own process group, feeds it stdin and gives
// what it printed.
func runOnce(ctx context.Context, env []string, stdin []byte, path string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
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
