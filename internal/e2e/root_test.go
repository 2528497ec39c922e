//go:build e2e

package e2e_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sesame-mta/sesame/internal/mta"
)

// Started as root with user set, the server binds a port below 1024, becomes
// that user in every thread and serves: its data and its socket are the user's.
func TestRootIsGivenUp(t *testing.T) {
	if os.Geteuid() != 0 {
		if inCI() {
			t.Fatal("needs root")
		}
		t.Skip("only root can become another user")
	}
	dir, err := os.MkdirTemp("", "sesame-root-") // t.TempDir lies under folders closed to others
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	run := filepath.Join(dir, "run")
	if err := os.Mkdir(run, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(run, 0o777); err != nil {
		t.Fatal(err)
	}
	addr := net.JoinHostPort("127.0.0.1", lowPort(t))
	config := filepath.Join(dir, "sesame.toml")
	text := fmt.Sprintf("hostname = \"mail.example.com\"\ndata_dir = %q\nuser = \"nobody\"\n[listen]\nstarttls = [%q]\nimplicit_tls = []\nadmin = %q\nmetrics = \"\"\n[dns]\nresolvers = [\"127.0.0.1:9\"]\n",
		filepath.Join(dir, "data"), addr, filepath.Join(run, "admin.sock"))
	if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(binary(t), "serve", "--config", config)
	p, err := mta.Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Stop(25 * time.Second) })
	if err := mta.WaitGreeting(t.Context(), addr, p.Done); err != nil {
		t.Fatal(err)
	}
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", cmd.Process.Pid))
	if err != nil || len(tasks) == 0 {
		t.Fatalf("threads: %v %v", tasks, err)
	}
	for _, task := range tasks {
		status, err := os.ReadFile(task)
		if err != nil {
			continue // the thread has ended
		}
		for _, line := range strings.Split(string(status), "\n") {
			id, ok := strings.CutPrefix(line, "Uid:")
			if !ok {
				continue
			}
			for _, uid := range strings.Fields(id) {
				if uid == "0" {
					t.Errorf("%s is still root: %s", task, line)
				}
			}
		}
	}
	out, err := exec.Command(binary(t), "status", "--json", "--config", config).CombinedOutput()
	if err != nil {
		t.Errorf("status: %v: %s", err, out)
	}
}

// lowPort finds a free port that only root may bind.
func lowPort(t *testing.T) string {
	t.Helper()
	for port := 1023; port > 600; port-- {
		if l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			_ = l.Close()
			return fmt.Sprint(port)
		}
	}
	t.Fatal("no free port below 1024")
	return ""
}
