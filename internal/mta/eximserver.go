package mta

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

// EximServer is a running Exim that takes mail on a free port of 127.0.0.1.
type EximServer struct {
	// Addr is where it listens, as "127.0.0.1:port".
	Addr string
	// Dir holds exim.conf and the spool.
	Dir string

	root    string
	env     []string
	process *Process
}

// eximServerHead is the main section. Its deliveries run without root, since it
// makes none on this machine; the log goes to syslogd, if there is one.
const eximServerHead = `primary_hostname = bench.example.com
spool_directory = %[1]s/spool
exim_path = %[2]s/usr/sbin/exim4
log_file_path = syslog
pid_file_path = %[1]s/exim.pid
daemon_smtp_ports = %[3]s
local_interfaces = 127.0.0.1
deliver_drop_privilege = true
host_lookup =
rfc1413_query_timeout = 0s
keep_environment = %[4]s

`

// StartEximServer starts one from the rest of exim.conf, in which $dir is its
// folder, with files in that folder and more variables for all its processes, and
// returns when it greets. Stop must be called.
func StartEximServer(ctx context.Context, conf string, files map[string]string, env []string) (*EximServer, error) {
	root, err := root("exim", "usr/sbin/exim4")
	if err != nil {
		return nil, err
	}
	uid, gid, err := account(eximUser)
	if err != nil {
		return nil, err
	}
	port, err := FreePort()
	if err != nil {
		return nil, err
	}
	dir, err := privateDir("exim")
	if err != nil {
		return nil, err
	}
	e := &EximServer{Dir: dir, root: root, env: env, Addr: net.JoinHostPort("127.0.0.1", strconv.Itoa(port))}
	if err := e.start(ctx, uid, gid, conf, files); err != nil {
		out := Tail(filepath.Join(dir, "out"), 20)
		e.Stop()
		return nil, fmt.Errorf("start Exim: %w\n%s", err, out)
	}
	return e, nil
}

func (e *EximServer) start(ctx context.Context, uid, gid int, conf string, files map[string]string) error {
	spool := filepath.Join(e.Dir, "spool")
	if err := errors.Join(os.Mkdir(spool, 0o750), os.Chown(spool, uid, gid)); err != nil {
		return err
	}
	var keep []string
	for _, v := range e.env {
		name, _, _ := strings.Cut(v, "=")
		keep = append(keep, name)
	}
	_, port, err := net.SplitHostPort(e.Addr)
	if err != nil {
		return err
	}
	text := fmt.Sprintf(eximServerHead, e.Dir, e.root, port, strings.Join(keep, ":")) + strings.ReplaceAll(conf, "$dir", e.Dir)
	all := map[string]string{"exim.conf": text}
	for name, text := range files {
		all[name] = text
	}
	for name, text := range all {
		// Exim reads a file of root's that no one else may write.
		path := filepath.Join(e.Dir, name)
		if err := errors.Join(os.WriteFile(path, []byte(text), 0o640), os.Chown(path, 0, gid)); err != nil {
			return err
		}
	}
	out, err := os.Create(filepath.Join(e.Dir, "out"))
	if err != nil {
		return err
	}
	defer out.Close()
	// -bdf keeps the daemon in the foreground.
	cmd := e.command(ctx, "-bdf")
	cmd.Stdout, cmd.Stderr = out, out
	if e.process, err = Start(cmd); err != nil {
		return err
	}
	return WaitGreeting(ctx, e.Addr, e.process.Done)
}

func (e *EximServer) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, filepath.Join(e.root, "usr/sbin/exim4"), append([]string{"-C", filepath.Join(e.Dir, "exim.conf")}, args...)...)
	cmd.Env = append(os.Environ(), e.env...)
	return cmd
}

// RunQueue delivers what is in the queue, by n runners at once, and returns when
// they are through.
func (e *EximServer) RunQueue(ctx context.Context, n int) error {
	errs := make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			if out, err := e.command(ctx, "-qff").CombinedOutput(); err != nil {
				errs[i] = fmt.Errorf("exim -qff: %w: %s", err, out)
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// PID is the process id of the daemon.
func (e *EximServer) PID() int { return e.process.PID() }

// Stop ends all its processes and removes its folder.
func (e *EximServer) Stop() {
	if e.process != nil {
		e.process.Stop(5 * time.Second)
		e.process = nil
	}
	_ = os.RemoveAll(e.Dir) // left-overs are no failure
}
