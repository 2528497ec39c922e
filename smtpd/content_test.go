package smtpd_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sesame-mta/sesame/submission"
)

const envelope = "EHLO x.example.org\r\nMAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.net>\r\n"

// reference reads the content of DATA octet by octet, from the text of the RFC.
func reference(in []byte) (body []byte, f submission.Facts, rest []byte, ended bool) {
	all := append([]byte("\r\n"), in...)
	end := bytes.Index(all, []byte("\r\n.\r\n"))
	if end < 0 {
		return nil, f, nil, false
	}
	rest = all[end+5:]
	raw := all[:end+2] // with the first CRLF
	for i := 2; i < len(raw); i++ {
		if raw[i] == '.' && raw[i-2] == '\r' && raw[i-1] == '\n' {
			continue
		}
		body = append(body, raw[i])
	}
	return body, factsOf(body), rest, true
}

func factsOf(body []byte) (f submission.Facts) {
	f.Size = int64(len(body))
	for i, c := range body {
		f.NUL = f.NUL || c == 0
		f.EightBit = f.EightBit || c > 0x7f
		f.BareCR = f.BareCR || c == '\r' && (i+1 == len(body) || body[i+1] != '\n')
		f.BareLF = f.BareLF || c == '\n' && (i == 0 || body[i-1] != '\r')
	}
	for _, line := range bytes.Split(body, []byte("\n")) {
		f.LongestLine = max(f.LongestLine, len(bytes.TrimSuffix(line, []byte("\r"))))
	}
	return f
}

// FuzzContent holds the reader of DATA against the reference, however the
// octets are cut into packets.
func FuzzContent(f *testing.F) {
	for _, s := range []string{
		"", ".\r\n", "x\r\n.\r\n", "..\r\n.\r\n", "a\r\r\n.\r\n", "a\r\n.\rb\r\n.\r\n", "\n.\n\r\n.\r\n",
		"a\x00\r\n.\r\n", "\xff\r\n.\r\nQUIT\r\n", "\r\n.\r\r\n.\r\n", "\r\n.\n.\r\n\r\n.\r\nNOOP\r\n",
		strings.Repeat("x", 9000) + "\r\n.\r\n", strings.Repeat("y\r\n", 4000) + ".\r\n",
	} {
		f.Add([]byte(s), uint64(7))
	}
	p := newPlayer(f, nil)
	f.Fuzz(func(t *testing.T, in []byte, seed uint64) {
		if len(in) > 30000 {
			t.Skip()
		}
		body, facts, _, ended := reference(in)
		fine := ended && !facts.BareCR && !facts.BareLF && !facts.NUL
		for name, cut := range map[string]func(int) int{"whole": whole, "octets": octet, "pieces": pieces(seed)} {
			replies, got := p.play(envelope+"DATA\r\n"+string(in), cut)
			if !fine {
				if len(got) > 0 && bytes.Equal([]byte(got[0].Body), body) {
					t.Fatalf("%s: took content that ended %v with %+v", name, ended, facts)
				}
				continue
			}
			if len(got) == 0 {
				t.Fatalf("%s: did not take the message: %q", name, replies)
			}
			if got[0].Body != string(body) {
				t.Fatalf("%s: body %q, want %q", name, got[0].Body, body)
			}
			if diff := cmp.Diff(facts, got[0].Facts); diff != "" {
				t.Fatalf("%s: facts: %s", name, diff)
			}
		}
	})
}

// FuzzChunks does the same for BDAT, cut into two chunks.
func FuzzChunks(f *testing.F) {
	for _, s := range []string{"", "x", "x\r\n", "\r", "a\r\nb", ".\r\n", "a\x00b\r\n", "\xff\r\n", strings.Repeat("x", 9000)} {
		f.Add([]byte(s), uint16(1), uint64(7))
	}
	p := newPlayer(f, nil)
	f.Fuzz(func(t *testing.T, in []byte, at uint16, seed uint64) {
		if len(in) > 30000 {
			t.Skip()
		}
		first := min(int(at), len(in))
		body := bytes.Clone(in)
		if facts := factsOf(body); len(body) > 0 && !bytes.HasSuffix(body, []byte("\r\n")) && !facts.BareCR {
			body = append(body, "\r\n"...)
		}
		facts := factsOf(body)
		fine := !facts.BareCR && !facts.BareLF && !facts.NUL
		say := fmt.Sprintf("%sBDAT %d\r\n%sBDAT %d LAST\r\n%sNOOP\r\n", envelope, first, in[:first], len(in)-first, in[first:])
		for name, cut := range map[string]func(int) int{"whole": whole, "octets": octet, "pieces": pieces(seed)} {
			replies, got := p.play(say, cut)
			if !strings.HasSuffix(replies, "\r\n250 Ok\r\n") {
				t.Fatalf("%s: out of step: %q", name, replies)
			}
			switch {
			case !fine && len(got) > 0:
				t.Fatalf("%s: took content with %+v", name, facts)
			case !fine:
			case len(got) != 1 || got[0].Body != string(body):
				t.Fatalf("%s: got %+v, want %q", name, got, body)
			default:
				if diff := cmp.Diff(facts, got[0].Facts); diff != "" {
					t.Fatalf("%s: facts: %s", name, diff)
				}
			}
		}
	})
}

// FuzzSession says anything at all to the server. However it is cut into packets,
// the replies and the messages are the same, and no message has what SMTP forbids.
func FuzzSession(f *testing.F) {
	for _, s := range []string{
		"EHLO x\r\nMAIL FROM:<a@example.org> SIZE=1 BODY=8BITMIME\r\nRCPT TO:<\"b c\"@example.net>\r\nDATA\r\nx\r\n.\r\nQUIT\r\n",
		envelope + "BDAT 3\r\nabcBDAT 0\r\nRSET\r\nBDAT 3 LAST\r\nabc",
		envelope + "BDAT 3\r\nabcDATA\r\nBDAT 5 LAST\r\nab\r\n\r\nNOOP\r\n",
		"HELO x\nNOOP\r\nnoop\r\nVRFY\r\nRSET x\r\nAUTH PLAIN\r\nGET / HTTP/1.1\r\n",
		"MAIL FROM:@a,@b:c@d\r\nMAIL FROM: <@a:c@d> AUTH=+41\r\nRCPT TO:<\"\\\"@x\r\n",
		envelope + "DATA\r\nx\x00y\r\rz\nq\r\n.\r\nNOOP\r\n",
		envelope + "DATA\r\n.\r\n" + envelope + "DATA\r\n\n.\r\n\r\n.\r\nQUIT\r\n",
	} {
		f.Add([]byte(s), uint64(7))
	}
	p := newPlayer(f, nil)
	f.Fuzz(func(t *testing.T, in []byte, seed uint64) {
		if len(in) > 30000 {
			t.Skip()
		}
		replies, got := p.play(string(in), whole)
		for name, cut := range map[string]func(int) int{"octets": octet, "pieces": pieces(seed)} {
			again, more := p.play(string(in), cut)
			if diff := cmp.Diff(replies, again); diff != "" {
				t.Fatalf("%s: replies differ: %s", name, diff)
			}
			if len(got) != len(more) {
				t.Fatalf("%s: %d messages, then %d", name, len(got), len(more))
			}
			for i := range got {
				if got[i].Body != more[i].Body || got[i].From != more[i].From {
					t.Fatalf("%s: message %d differs", name, i)
				}
			}
		}
		if n := strings.Count(replies, "250 Ok ID\r\n"); n != len(got) {
			t.Fatalf("%d messages acknowledged, %d taken", n, len(got))
		}
		for _, m := range got {
			if f := factsOf([]byte(m.Body)); f.BareCR || f.BareLF || f.NUL {
				t.Fatalf("took %q", m.Body)
			}
		}
	})
}

// TestSmugglingMatrix puts every almost-end of data between a message and a
// second one: no message is ever smuggled behind the first.
func TestSmugglingMatrix(t *testing.T) {
	p := newPlayer(t, nil)
	around := map[string]string{
		"CR": "\r", "LF": "\n", "CRLF": "\r\n", "NUL": "\x00", "CRCRLF": "\r\r\n", "LFCR": "\n\r",
		"CRNULLF": "\r\x00\n", "NULCRLF": "\x00\r\n", "CRLFNUL": "\r\n\x00", "LFLF": "\n\n", "CRCR": "\r\r", "nothing": "",
	}
	const second = "MAIL FROM:<evil@example.com>\r\nRCPT TO:<victim@example.net>\r\nDATA\r\nsmuggled\r\n"
	for before, a := range around {
		for after, b := range around {
			for _, dots := range []string{".", ".."} {
				name := before + dots + after
				true1 := strings.HasSuffix(a, "\r\n") && dots == "." && b == "\r\n"
				in := "first" + a + dots + b + second + ".\r\nQUIT\r\n"
				for how, cut := range map[string]func(int) int{"whole": whole, "octets": octet} {
					replies, got := p.play(envelope+"DATA\r\n"+in, cut)
					for i, m := range got {
						if evil := m.From.String() == "evil@example.com"; evil != (true1 && i == len(got)-1) {
							t.Errorf("%s, %s: message %d is from %s", name, how, i, m.From)
						}
					}
					if n := strings.Count(replies, "354 "); !true1 && n != 1 {
						t.Errorf("%s, %s: %d messages begun: %q", name, how, n, replies)
					}
					if !strings.HasSuffix(replies, "221 Bye\r\n") {
						t.Errorf("%s, %s: out of step: %q", name, how, replies)
					}
				}
			}
		}
	}
}

// TestSmugglingThroughChunks checks that a chunk can hold any almost-end, and a
// true one, without a second message.
func TestSmugglingThroughChunks(t *testing.T) {
	p := newPlayer(t, nil)
	const inner = "first\r\n.\r\nMAIL FROM:<evil@example.com>\r\nRCPT TO:<victim@example.net>\r\nDATA\r\nsmuggled\r\n.\r\n"
	_, got := p.play(fmt.Sprintf("%sBDAT %d LAST\r\n%sQUIT\r\n", envelope, len(inner), inner), octet)
	if len(got) != 1 || got[0].Body != inner {
		t.Errorf("got %+v", got)
	}
}
