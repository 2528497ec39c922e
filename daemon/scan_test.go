package daemon_test

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/sesame-mta/sesame/api/admin"
	"github.com/sesame-mta/sesame/config"
	"github.com/sesame-mta/sesame/internal/testmx"
)

// virus is what the scanner of these tests knows. The real EICAR file would alarm
// whatever scans this source.
const virus = "THIS-IS-A-VIRUS"

// clamd plays a clamd on a socket until the test ends.
func clamd(t *testing.T, socket string) {
	t.Helper()
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer func() { _ = c.Close() }()
				r := bufio.NewReader(c)
				var content strings.Builder
				if _, err := r.ReadString(0); err != nil {
					return
				}
				for n := uint32(1); n != 0; {
					if binary.Read(r, binary.BigEndian, &n) != nil {
						return
					}
					if _, err := io.CopyN(&content, r, int64(n)); err != nil {
						return
					}
				}
				switch s := content.String(); {
				case strings.Contains(s, virus):
					fmt.Fprint(c, "stream: Eicar-Test-Signature FOUND\x00")
				case strings.Contains(s, "macro"):
					fmt.Fprint(c, "stream: Heuristics.OLE2.ContainsMacros FOUND\x00")
				default:
					fmt.Fprint(c, "stream: OK\x00")
				}
			})
		}
	})
	t.Cleanup(func() { _ = l.Close(); wg.Wait() })
}

func TestAVirusIsStoppedWithoutBounceMail(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "clamd.ctl")
	clamd(t, socket)
	r := newRelay(t, testmx.Options{}, func(c *config.Config) { c.Scan.Clamd = "unix:" + socket })
	// To the simulator too: it takes mail in the place of a host.
	to := []string{"bob@example.net", "eve@example.com", "success@simulator.amazonses.com"}
	if _, err := r.send("ann@example.org", to, hello+virus+"\r\n"); err != nil {
		t.Fatalf("not accepted: %v", err)
	}
	r.empty()
	for _, addr := range to {
		if !r.outcome(addr, "delivery failed", "554", "5.7.0", "Bad content") {
			t.Errorf("no outcome for %s", addr)
		}
	}
	if _, err := r.send("ann@example.org", []string{"bob@example.net"}, hello); err != nil {
		t.Fatal(err)
	}
	if got := r.arrived(1); got[0].From != "ann@example.org" || strings.Contains(string(got[0].Data), virus) {
		t.Errorf("arrived: %s", got[0].Data)
	}
	r.empty()
	if n := r.mx.Count(); n != 1 {
		t.Errorf("%d messages left the house, want the clean one", n)
	}
}

func TestOtherRefusedContentComesBackAsBounceMail(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "clamd.ctl")
	clamd(t, socket)
	r := newRelay(t, testmx.Options{}, func(c *config.Config) { c.Scan.Clamd = "unix:" + socket })
	if _, err := r.send("ann@example.org", []string{"bob@example.net"}, hello+"macro\r\n"); err != nil {
		t.Fatal(err)
	}
	dsn := r.arrived(1)[0]
	if dsn.From != "" || !strings.Contains(string(dsn.Data), "Status: 5.6.0") ||
		!strings.Contains(string(dsn.Data), "Heuristics.OLE2.ContainsMacros") {
		t.Errorf("not the DSN of refused content: %s", dsn.Data)
	}
	r.empty()
}

func TestAScannerThatIsDownDefers(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "clamd.ctl")
	r := newRelay(t, testmx.Options{}, func(c *config.Config) { c.Scan.Clamd = "unix:" + socket })
	if _, err := r.send("ann@example.org", []string{"bob@example.net"}, hello); err != nil {
		t.Fatal(err)
	}
	const text = "Message could not be scanned, will be tried again"
	r.until("the message is deferred", func() bool {
		return r.outcome("bob@example.net", "delivery deferred", "451", "4.3.0", text)
	})
	if n := r.mx.Count(); n != 0 {
		t.Fatal("it was let through")
	}
	clamd(t, socket)
	if _, err := r.admin().Change(t.Context(), "retry", admin.Selection{All: true}); err != nil {
		t.Fatal(err)
	}
	r.arrived(1)
	r.empty()
}
