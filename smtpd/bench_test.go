package smtpd_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"

	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/smtpd"
	"github.com/sesame-mta/sesame/submission"
)

// null takes everything and keeps nothing.
type null struct{ buf []byte }

func (null) Room(context.Context, mail.ReversePath, int64) error { return nil }

func (n null) Submit(_ context.Context, r *submission.Request) (id mail.ID, err error) {
	for {
		if _, err := r.Content.Read(n.buf); errors.Is(err, io.EOF) {
			return id, nil
		} else if err != nil {
			return id, err
		}
	}
}

// BenchmarkMessage sends messages over loopback as a relay does: MAIL, RCPT and
// DATA in one write, the content in the next. The figure to watch is cpu-us/op,
// user and system time of both ends.
func BenchmarkMessage(b *testing.B) {
	for name, size := range map[string]int{"2KB": 2 << 10, "5MB": 5 << 20} {
		b.Run(name, func(b *testing.B) {
			r := start(b, func(o *smtpd.Options) {
				trusted(o)
				o.Desk = null{make([]byte, 32<<10)}
				o.Limits.MessagesPerConnection = 1 << 30
			})
			conn, err := net.Dial("tcp", r.starttls)
			if err != nil {
				b.Fatal(err)
			}
			defer func() { _ = conn.Close() }()
			in := bufio.NewReader(conn)
			lines := func(n int, want string) {
				for range n {
					if line, err := in.ReadSlice('\n'); err != nil || !strings.HasPrefix(string(line), want) {
						b.Fatalf("%q, %v", line, err)
					}
				}
			}
			group := []byte("MAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.net>\r\nDATA\r\n")
			body := []byte(strings.Repeat(strings.Repeat("x", 70)+"\r\n", size/72) + ".\r\n")
			lines(1, "220")
			_, _ = conn.Write([]byte("EHLO x\r\n"))
			lines(6, "250")
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			before := cpu()
			b.ResetTimer()
			for b.Loop() {
				_, _ = conn.Write(group)
				lines(2, "250")
				lines(1, "354")
				_, _ = conn.Write(body)
				lines(1, "250")
			}
			b.ReportMetric((cpu()-before)/float64(b.N), "cpu-us/op")
		})
	}
}

// cpu gives the processor time of the process in microseconds.
func cpu() float64 {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1000
}
