package smtpc_test

import (
	"errors"
	"fmt"

	"strings"
	"testing"

	"github.com/sesame-mta/sesame/delivery/smtpc"
	"github.com/sesame-mta/sesame/internal/testmx"
)

// ways are the ways in which a host may take a message.
var ways = []struct {
	name     string
	keywords []string
	bdat     bool
}{
	{"in one group with BDAT", []string{"PIPELINING", "CHUNKING", "8BITMIME", "SIZE"}, true},
	{"in a group and then DATA", []string{"pipelining", "8bitmime", "size 0"}, false},
	{"in turn with BDAT", []string{"Chunking"}, true},
	{"in turn with DATA", []string{}, false},
}

func TestContentArrivesAsItIs(t *testing.T) {
	lines := func(n int) string { return strings.Repeat("0123456789 abc\r\n.dot\r\n..\r\n.\r\n", n) }
	bodies := map[string]struct{ body, add string }{
		"no body":                     {"", ""},
		"one line":                    {"hello\r\n", ""},
		"a dot alone":                 {".\r\n", ""},
		"dots everywhere":             {".\r\n..\r\n.x\r\nx.\r\n.\r\n", ""},
		"a dot after the header":      {".first\r\n", ""},
		"an end of data inside":       {"a\r\n.\r\nMAIL FROM:<x@example.com>\r\n", ""},
		"no final line end":           {"hello", "\r\n"},
		"one octet":                   {".", "\r\n"},
		"a long line":                 {strings.Repeat("x", 200_000) + "\r\n", ""},
		"dots at buffer ends":         {strings.Repeat("x", 32<<10-2) + "\r\n.y\r\n" + lines(5000), ""},
		"a CR at a buffer's end":      {strings.Repeat("x", 32<<10-1) + "\r\n.\r\n" + lines(3000), ""},
		"exactly what is read at one": {strings.Repeat("x", 32<<10-2) + "\r\n", ""},
		"more than a megabyte":        {lines(120_000), ""},
		"large without line end":      {lines(50_000) + "end", "\r\n"},
	}
	for _, way := range ways {
		mx := host(t, testmx.Options{Keywords: way.keywords})
		for name, tc := range bodies {
			t.Run(way.name+"/"+name, func(t *testing.T) {
				c := ready(t, mx, smtpc.Options{})
				before := len(mx.Messages())
				// Twice, since what follows shows that the dialogue is in step.
				for range 2 {
					for _, a := range c.Send(t.Context(), message(t, tc.body)) {
						if a.Verdict != smtpc.Accepted || !a.Remote {
							t.Fatalf("answer %+v", a)
						}
					}
				}
				got := mx.Messages()[before:]
				if len(got) != 2 {
					t.Fatalf("%d messages came", len(got))
				}
				want := header + tc.body + tc.add
				for _, m := range got {
					if string(m.Data) != want {
						t.Errorf("content differs: %d octets, want %d", len(m.Data), len(want))
					}
					if m.BDAT != way.bdat {
						t.Errorf("BDAT is %v", m.BDAT)
					}
					if bare := strings.NewReplacer("\r\n", "").Replace(string(m.Wire)); strings.ContainsAny(bare, "\r\n") {
						t.Error("a bare CR or LF was sent")
					}
				}
				if want := strings.Contains(strings.Join(way.keywords, " "), "PIPELINING"); want && !got[0].Pipelined {
					t.Error("the envelope did not come as a group")
				}
			})
		}
	}
}

func TestOnlyDotsAreStuffed(t *testing.T) {
	mx := host(t, testmx.Options{})
	c := ready(t, mx, smtpc.Options{NoChunking: true})
	c.Send(t.Context(), message(t, ".a\r\nb.\r\n\r\n..c\r\n"))
	if got := string(mx.Messages()[0].Wire); got != header+"..a\r\nb.\r\n\r\n...c\r\n" {
		t.Errorf("wire %q", got)
	}
}

func TestBareLineEndsAndNULsNeverLeave(t *testing.T) {
	far := strings.Repeat("x", 100_000) + "\r\n"
	for _, body := range []string{
		"a\nb\r\n", "a\rb\r\n", "a\r\r\nb\r\n", "a\r\n\nb\r\n", "\n", "a\r", "a\n.\r\n", "a\r\n.\rb\r\n", "a\x00b\r\n",
		far + "a\nb\r\n", far + "a\rb\r\n", far + "\r", strings.Repeat("x", 32<<10-1) + "\rx" + far,
	} {
		for _, way := range ways {
			t.Run(fmt.Sprintf("%s/%d octets %.10q", way.name, len(body), body), func(t *testing.T) {
				mx := host(t, testmx.Options{Keywords: way.keywords})
				c := ready(t, mx, smtpc.Options{Timeouts: short})
				a := c.Send(t.Context(), message(t, body))[0]
				if a.Verdict != smtpc.Settled || a.Reply.Code != 554 || a.Remote {
					t.Errorf("answer %+v", a)
				}
				c.Close()
				if mx.Count() != 0 {
					t.Error("a message was taken")
				}
			})
		}
	}
}

// failing is content whose disk fails from an offset on.
type failing struct{ from int64 }

func (f failing) ReadAt(p []byte, at int64) (int, error) {
	if at+int64(len(p)) > f.from && f.from > 0 && at < f.from+1<<20 {
		return 0, errors.New("input/output error")
	}
	for i := range p {
		p[i] = 'x'
		if n := at + int64(i); n%64 >= 62 {
			p[i] = "\r\n"[n%64-62]
		}
	}
	return len(p), nil
}

func TestContentThatCannotBeReadIsNeverHalfDelivered(t *testing.T) {
	for _, way := range ways {
		t.Run(way.name, func(t *testing.T) {
			mx := host(t, testmx.Options{Keywords: way.keywords})
			c := ready(t, mx, smtpc.Options{Timeouts: short})
			m := message(t, "")
			m.Body, m.BodyAt, m.Size = failing{from: 1 << 20}, 0, 64<<16
			a := c.Send(t.Context(), m)[0]
			if a.Verdict != smtpc.Settled || a.Reply.Code != 451 || a.Remote || c.Usable() {
				t.Errorf("answer %+v, usable %v", a, c.Usable())
			}
			if mx.Count() != 0 {
				t.Error("a message was taken")
			}
		})
	}
}

func TestContentShorterThanItsSizeIsRefused(t *testing.T) {
	mx := host(t, testmx.Options{})
	c := ready(t, mx, smtpc.Options{})
	m := message(t, "hello\r\n")
	m.Size += 10
	if a := c.Send(t.Context(), m)[0]; a.Verdict != smtpc.Settled || a.Reply.Code != 451 {
		t.Errorf("answer %+v", a)
	}
	if mx.Count() != 0 {
		t.Error("a message was taken")
	}
}
