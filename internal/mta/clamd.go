package mta

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// ClamdOptions is how a clamd is set.
type ClamdOptions struct {
	// Signatures are names of viruses and the text each is known by. They take
	// the place of the official database.
	Signatures map[string]string
	// Conf is more lines for clamd.conf.
	Conf string
}

// Clamd is Debian's clamd on a socket of its own.
type Clamd struct {
	Socket string
	Log    string

	root, dir string
	process   *Process
}

// StartClamd starts a clamd and waits until it answers. Close must be called.
func StartClamd(ctx context.Context, o ClamdOptions) (*Clamd, error) {
	root, err := root("clamav", "usr/sbin/clamd")
	if err != nil {
		return nil, err
	}
	c := &Clamd{root: root}
	if c.dir, err = privateDir("clamd"); err != nil {
		return nil, err
	}
	c.Socket, c.Log = filepath.Join(c.dir, "clamd.ctl"), filepath.Join(c.dir, "log")
	if err := errors.Join(c.make(o), c.Start(ctx)); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

func (c *Clamd) make(o ClamdOptions) error {
	var db strings.Builder
	for name, text := range o.Signatures {
		// Any type of file, at any place in it.
		fmt.Fprintf(&db, "%s:0:*:%s\n", name, hex.EncodeToString([]byte(text)))
	}
	if err := os.Mkdir(filepath.Join(c.dir, "db"), 0o755); err != nil {
		return err
	}
	conf := fmt.Sprintf("Foreground yes\nLogTime yes\nDatabaseDirectory %s\nLocalSocket %s\nTemporaryDirectory %s\n%s",
		filepath.Join(c.dir, "db"), c.Socket, c.dir, o.Conf)
	return errors.Join(
		os.WriteFile(filepath.Join(c.dir, "db", "test.ndb"), []byte(db.String()), 0o644),
		os.WriteFile(filepath.Join(c.dir, "clamd.conf"), []byte(conf), 0o644))
}

// Start starts it, for the first time or again after Stop, and waits until it
// answers.
func (c *Clamd) Start(ctx context.Context) error {
	log, err := os.OpenFile(c.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	libraries, err := filepath.Glob(filepath.Join(c.root, "usr/lib/*-linux-gnu"))
	if err != nil {
		return err
	}
	cmd := exec.Command(filepath.Join(c.root, "usr/sbin/clamd"), "--config-file", filepath.Join(c.dir, "clamd.conf"))
	cmd.Env = append(os.Environ(), "LD_LIBRARY_PATH="+strings.Join(libraries, ":"))
	cmd.Stdout, cmd.Stderr = log, log
	if c.process, err = Start(cmd); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 60*time.Second)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for c.ping() != nil {
		select {
		case <-ctx.Done():
			return fmt.Errorf("clamd does not answer\n%s", Tail(c.Log, 20))
		case <-c.process.Done:
			return fmt.Errorf("clamd ended\n%s", Tail(c.Log, 20))
		case <-tick.C:
		}
	}
	return nil
}

func (c *Clamd) ping() error {
	conn, err := net.DialTimeout("unix", c.Socket, time.Second)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		return err
	}
	if _, err := conn.Write([]byte("zPING\x00")); err != nil {
		return err
	}
	buf := make([]byte, 16)
	n, err := conn.Read(buf)
	if string(buf[:n]) != "PONG\x00" {
		return fmt.Errorf("answer %q: %w", buf[:n], err)
	}
	return nil
}

// Stop ends it; Start may follow.
func (c *Clamd) Stop() {
	if c.process != nil {
		c.process.Stop(10 * time.Second)
	}
}

// Close ends it and removes its folder.
func (c *Clamd) Close() error {
	c.Stop()
	return os.RemoveAll(c.dir)
}
