package scan_test

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"time"

	"go.uber.org/goleak"

	"github.com/sesame-mta/sesame/dispatch/scan"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// clamd plays a clamd: it takes one stream a connection, of at most limit octets,
// and says what answer gives.
func clamd(t testing.TB, network string, limit int, answer func(content string) string) scan.ClamdOptions {
	t.Helper()
	return serve(t, network, func(c net.Conn) {
		r := bufio.NewReader(c)
		if cmd, err := r.ReadString(0); err != nil || cmd != "zINSTREAM\x00" {
			t.Errorf("command %q, %v", cmd, err)
			return
		}
		var content strings.Builder
		for {
			var n uint32
			if binary.Read(r, binary.BigEndian, &n) != nil {
				return // hung up before the last chunk: no verdict
			}
			if n == 0 {
				break
			}
			if _, err := io.CopyN(&content, r, int64(n)); err != nil {
				return
			}
			if limit > 0 && content.Len() > limit {
				fmt.Fprint(c, "INSTREAM size limit exceeded. ERROR\x00")
				return
			}
		}
		fmt.Fprint(c, answer(content.String()))
	})
}

// serve runs f for each connection until the test ends.
func serve(t testing.TB, network string, f func(net.Conn)) scan.ClamdOptions {
	t.Helper()
	address := "127.0.0.1:0"
	if network == "unix" {
		address = filepath.Join(t.TempDir(), "clamd.ctl")
	}
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			f(c)
			_ = c.Close()
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-done })
	return scan.ClamdOptions{Network: network, Address: l.Addr().String(), Timeout: 10 * time.Second}
}

func check(t testing.TB, o scan.ClamdOptions, content string) (scan.Verdict, error) {
	t.Helper()
	return scan.NewClamd(o).Scan(t.Context(), strings.NewReader(content), int64(len(content)))
}

func TestTheWholeContentIsShownAndTheVerdictRead(t *testing.T) {
	large := strings.Repeat("0123456789abcde\n", 20_000)
	for _, network := range []string{"unix", "tcp"} {
		for name, tt := range map[string]struct {
			content, says string
			kind          scan.Kind
			found, reply  string
		}{
			"a clean message":     {"hello", "stream: OK", scan.Clean, "", ""},
			"an empty message":    {"", "stream: OK", scan.Clean, "", ""},
			"a large message":     {large, "stream: OK", scan.Clean, "", ""},
			"a virus":             {"x", "stream: Eicar-Test-Signature FOUND", scan.Infected, "Eicar-Test-Signature", ""},
			"a guessed virus":     {"x", "stream: Heuristics.W32.Kriz FOUND", scan.Infected, "Heuristics.W32.Kriz", ""},
			"an encrypted file":   {"x", "stream: Heuristics.Encrypted.Zip FOUND", scan.Refused, "Heuristics.Encrypted.Zip", "554 5.6.0 Message content is refused: Heuristics.Encrypted.Zip"},
			"an unwanted program": {"x", "stream: PUA.Win.\xffTool FOUND", scan.Refused, "PUA.Win.\xffTool", "554 5.6.0 Message content is refused: PUA.Win.?Tool"},
		} {
			t.Run(network+" "+name, func(t *testing.T) {
				o := clamd(t, network, 0, func(content string) string {
					if content != tt.content {
						t.Errorf("%d octets arrived, want %d", len(content), len(tt.content))
					}
					return tt.says + "\x00"
				})
				v, err := check(t, o, tt.content)
				if err != nil || v.Kind != tt.kind || v.Name != tt.found || v.Reply.String() != tt.reply {
					t.Errorf("verdict %+v, %v", v, err)
				}
			})
		}
	}
}

func TestNothingButAWholeAnswerCounts(t *testing.T) {
	for _, says := range []string{
		"", "\x00", "stream: OK", "stream: OK\r\n\x00", "OK\x00", "stream:OK\x00", "stream: OKAY\x00", "stream: ok\x00",
		"stream:  FOUND\x00", "stream: \x00", "Eicar FOUND\x00", "UNKNOWN COMMAND\x00",
		"INSTREAM: Can't open file or directory ERROR\x00", "Command read timed out.\x00",
		"stream: " + strings.Repeat("x", 5000) + " FOUND\x00", strings.Repeat("stream: OK", 500) + "\x00",
	} {
		v, err := check(t, clamd(t, "tcp", 0, func(string) string { return says }), "hello")
		if err == nil || v != (scan.Verdict{}) {
			t.Errorf("%.40q gave %+v, %v", says, v, err)
		}
	}
}

func TestContentOverTheScannersLimitIsAnError(t *testing.T) {
	for _, network := range []string{"unix", "tcp"} {
		o := clamd(t, network, 1000, func(string) string { return "stream: OK\x00" })
		_, err := check(t, o, strings.Repeat("x", 5<<20))
		if err == nil {
			t.Fatal("content that was not read whole was let through")
		}
		if network == "unix" && !strings.Contains(err.Error(), "size limit exceeded") {
			t.Errorf("the error does not tell why: %v", err)
		}
	}
}

func TestAnAnswerBeforeTheEndIsAnError(t *testing.T) {
	o := serve(t, "unix", func(c net.Conn) { fmt.Fprint(c, "stream: OK\x00") })
	if v, err := check(t, o, strings.Repeat("x", 5<<20)); err == nil {
		t.Errorf("half a message got the verdict %+v", v)
	}
}

func TestContentThatCannotBeReadGetsNoVerdict(t *testing.T) {
	var verdicts atomic.Int32
	o := clamd(t, "tcp", 0, func(string) string { verdicts.Add(1); return "stream: OK\x00" })
	broken := errors.New("broken disk")
	for name, r := range map[string]io.Reader{
		"an error":      io.MultiReader(strings.NewReader("half"), iotest.ErrReader(broken)),
		"an early end":  strings.NewReader("half"),
		"a cut content": io.MultiReader(strings.NewReader("half"), iotest.ErrReader(io.ErrUnexpectedEOF)),
		"a late end":    strings.NewReader("half and half"),
	} {
		if v, err := scan.NewClamd(o).Scan(t.Context(), r, 8); err == nil {
			t.Errorf("%s: verdict %+v", name, v)
		}
	}
	if n := verdicts.Load(); n != 0 {
		t.Errorf("the scanner saw the end of %d messages", n)
	}
}

func TestAScannerThatIsSilentOrNotThereIsAnError(t *testing.T) {
	hung := make(chan struct{})
	o := serve(t, "tcp", func(net.Conn) { <-hung })
	t.Cleanup(func() { close(hung) })
	o.Timeout = 50 * time.Millisecond
	if _, err := check(t, o, "hello"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("silence gave %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	o.Timeout = time.Hour
	time.AfterFunc(20*time.Millisecond, cancel)
	if _, err := scan.NewClamd(o).Scan(ctx, strings.NewReader("hello"), 5); !errors.Is(err, context.Canceled) {
		t.Errorf("a context that ended gave %v", err)
	}
	if _, err := check(t, scan.ClamdOptions{Network: "unix", Address: filepath.Join(t.TempDir(), "none")}, "x"); err == nil {
		t.Error("no scanner gave no error")
	}
}

func TestScansWaitForAPlace(t *testing.T) {
	enter, leave := make(chan struct{}), make(chan struct{})
	o := clamd(t, "tcp", 0, func(string) string { enter <- struct{}{}; <-leave; return "stream: OK\x00" })
	o.Concurrency = 1
	c := scan.NewClamd(o)
	first := make(chan error, 1)
	go func() {
		_, err := c.Scan(t.Context(), strings.NewReader("one"), 3)
		first <- err
	}()
	<-enter
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := c.Scan(ctx, strings.NewReader("two"), 3); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a second scan began beside the first: %v", err)
	}
	close(leave)
	if err := <-first; err != nil {
		t.Error(err)
	}
}

func FuzzReply(f *testing.F) {
	for _, s := range []string{"stream: OK\x00", "stream: X FOUND\x00", "ERROR\x00", "", "stream: PUA.x FOUND\x00"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, reply []byte) {
		v, err := scan.Read(reply)
		whole := string(reply[:max(0, strings.IndexByte(string(reply), 0))])
		if err == nil && v.Kind == scan.Clean && whole != "stream: OK" {
			t.Errorf("%q let a message through", reply)
		}
		for _, c := range []byte(v.Reply.Text) {
			if c < ' ' || c > '~' {
				t.Errorf("%q made the reply %q", reply, v.Reply.Text)
			}
		}
	})
}

// One message is shown to a clamd that knows one virus.
func ExampleClamd() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = l.Close() }()
	go func() { // stands for the clamd
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer func() { _ = c.Close() }()
		_, _ = io.CopyN(io.Discard, c, int64(len("zINSTREAM\x00")+4+len("a virus")+4))
		fmt.Fprint(c, "stream: A.Virus FOUND\x00")
	}()
	s := scan.NewClamd(scan.ClamdOptions{Network: "tcp", Address: l.Addr().String()})
	v, err := s.Scan(context.Background(), strings.NewReader("a virus"), 7)
	fmt.Println(v.Kind, v.Name, err)
	// Output: infected A.Virus <nil>
}
