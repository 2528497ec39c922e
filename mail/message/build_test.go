package message_test

import (
	"strings"
	"testing"
	"time"

	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/mail/message"
)

func TestAFieldIsFoldedAndStaysOneField(t *testing.T) {
	long := strings.Repeat("x", 990)
	for _, c := range []struct{ name, value, want string }{
		{"short", "hello", "X: hello\r\n"},
		{"empty", "", "X:\r\n"},
		{"blanks around", "  hello \t", "X: hello\r\n"},
		{"two blanks inside", "a  b", "X: a  b\r\n"},
		{"a line end", "a\r\nBcc: evil@example.com", "X: a  Bcc: evil@example.com\r\n"},
		{"a bare LF and a NUL", "a\nb\x00c", "X: a b c\r\n"},
		{"8-bit", "caf\xc3\xa9", "X: caf??\r\n"},
		{"long", strings.Repeat("word ", 30),
			"X: word" + strings.Repeat(" word", 14) + "\r\n" + strings.Repeat(" word", 15) + "\r\n"},
		{"a word over 78", "a " + strings.Repeat("y", 100) + " b", "X: a\r\n " + strings.Repeat("y", 100) + "\r\n b\r\n"},
		{"a first word over 78", strings.Repeat("y", 100), "X: " + strings.Repeat("y", 100) + "\r\n"},
		{"a first word over 998", long + long, "X: " + long + "xxxxx\r\n " + long[5:] + "\r\n"},
		{"many blanks", "a" + strings.Repeat(" ", 5000) + "b", "X: a" + strings.Repeat(" ", 39) + "b\r\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := string(message.Field("X", c.value)); got != c.want {
				t.Errorf("got  %q\nwant %q", got, c.want)
			}
		})
	}
}

func TestAFieldWithABadNamePanics(t *testing.T) {
	for _, name := range []string{"", "a b", "a:", "a\r\nb", "caf\xe9", strings.Repeat("n", 500)} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%q was taken", name)
				}
			}()
			message.Field(name, "x")
		}()
	}
}

func TestDateHasTheFormOfSES(t *testing.T) {
	at := time.Date(2025, 11, 6, 18, 6, 10, 0, time.FixedZone("CET", 3600))
	if got := message.Date(at); got != "Thu, 6 Nov 2025 17:06:10 +0000" {
		t.Error(got)
	}
}

func TestMessageIDHoldsOurID(t *testing.T) {
	id, err := mail.ParseID("0100018b8375d149-b3a90120-37e5-4873-a60d-b64f70e677cb-000000")
	if err != nil {
		t.Fatal(err)
	}
	want := "<0100018b8375d149-b3a90120-37e5-4873-a60d-b64f70e677cb-000000@example.com>"
	if got := message.NewMessageID(id, "example.com"); got != want {
		t.Error(got)
	}
}

func FuzzField(f *testing.F) {
	f.Add("hello world")
	f.Add("a\r\n\r\nbody")
	f.Add(strings.Repeat("x", 2000) + strings.Repeat(" ", 2000) + "y")
	f.Fuzz(func(t *testing.T, value string) {
		out := message.Field("Subject", value)
		s, err := message.Limits{Octets: len(out)}.Scan(out)
		if err != nil {
			t.Fatalf("%q: %v", out, err)
		}
		if len(s.Fields) != 1 || s.Ended || s.Fields[0].Name != "Subject" {
			t.Errorf("%q became %d fields", value, len(s.Fields))
		}
		for line := range strings.SplitSeq(string(out), "\r\n") {
			if len(line) > 998 {
				t.Errorf("a line of %d octets", len(line))
			}
		}
	})
}
