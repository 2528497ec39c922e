//go:build e2e

package e2e_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sesame-mta/sesame/bench/load"
	"github.com/sesame-mta/sesame/bench/sink"
)

// The recipe of docs/howto/backup.md brings back a queue, with all that is in it.
func TestABackupBringsTheQueueBack(t *testing.T) {
	sk, err := sink.Listen("127.0.0.1:0", sink.Options{Pipelining: true, Chunking: true, Defer: 100})
	if err != nil {
		t.Fatal(err)
	}
	defer sk.Close()
	s := newSesame(t, settings{port: portOf(t, sk.Addr()), listen: `trusted_networks = ["127.0.0.0/8"]`})
	s.verify("example.com")
	var acknowledged []string
	for i, size := range []int{2000, 300_000} {
		got, err := load.Run(t.Context(), load.Options{Addr: s.addr, Run: "b" + strconv.Itoa(i), Connections: 2, Messages: 20, Size: size})
		if err != nil {
			t.Fatal(err)
		}
		acknowledged = append(acknowledged, got.Acknowledged...)
	}
	s.process.Stop(25 * time.Second)
	run := func(script string) {
		t.Helper()
		text := strings.ReplaceAll(recipe(t, "backup.md", script, ""), "/var/lib/sesame", s.data)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		// Here no service is managed, and nobody has the name of sesame.
		cmd := exec.CommandContext(ctx, "bash", "-euc", "systemctl() { :; }\nchown() { :; }\ninstall() { mkdir -m 0700 \"${@: -1}\"; }\nsesame() { "+s.bin+" \"$@\"; }\n"+text)
		cmd.Dir = s.dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v: %s", script, err, out)
		}
	}
	run("backup.sh")
	// What was there comes to harm.
	files, err := filepath.Glob(filepath.Join(s.data, "segments", "*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("segments %v, %v", files, err)
	}
	for _, f := range append(files, filepath.Join(s.data, "spool.db")) {
		if err := os.Remove(f); err != nil {
			t.Fatal(err)
		}
	}
	run("restore.sh")
	sk.Defer(0)
	s.start()
	if _, err := s.command("queue", "retry", "--all"); err != nil {
		t.Fatal(err)
	}
	lost, doubled := settled(t, sk, acknowledged)
	if len(lost)+len(doubled) > 0 || len(acknowledged) != 40 {
		t.Errorf("%d acknowledged, %d lost, %d doubled", len(acknowledged), len(lost), len(doubled))
	}
}
