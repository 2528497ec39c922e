package message_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/sesame-mta/sesame/mail/message"
)

func TestSplitterFindsTheEndHoweverTheContentIsCut(t *testing.T) {
	for name, c := range map[string]struct {
		content, header string
		ended           bool
	}{
		"a message":                {"A: b\r\n\r\nbody\r\n\r\nmore", "A: b\r\n\r\n", true},
		"no header section":        {"\r\nbody", "\r\n", true},
		"no body":                  {"A: b\r\n", "A: b\r\n", false},
		"nothing":                  {"", "", false},
		"LF LF is no end":          {"A: b\n\nx\r\n\r\ny", "A: b\n\nx\r\n\r\n", true},
		"CR CR LF CR LF":           {"A: b\r\r\n\r\ny", "A: b\r\r\n\r\n", true},
		"CR LF CR CR LF is no end": {"A: b\r\n\r\r\nx\r\n\r\ny", "A: b\r\n\r\r\nx\r\n\r\n", true},
		"CR alone first":           {"\rA: b\r\n\r\ny", "\rA: b\r\n\r\n", true},
	} {
		t.Run(name, func(t *testing.T) {
			for size := 1; size <= len(c.content)+1; size++ {
				var s message.Splitter
				taken := 0
				for rest := c.content; rest != ""; {
					piece := rest[:min(size, len(rest))]
					rest = rest[len(piece):]
					n, err := s.Feed([]byte(piece))
					if err != nil {
						t.Fatal(err)
					}
					taken += n
				}
				if got := c.content[:s.Size()]; got != c.header || taken != len(c.header) || s.Ended() != c.ended {
					t.Fatalf("pieces of %d: %q, %d octets, ended %v", size, got, taken, s.Ended())
				}
			}
		})
	}
}

func TestSplitterTakesNoMoreThanItMay(t *testing.T) {
	s := message.Splitter{Max: 10}
	if _, err := s.Feed([]byte("A: 4567890")); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Feed([]byte("1")); !errors.Is(err, message.ErrHeaderSize) {
		t.Fatalf("got %v", err)
	}
	// A large body behind a small header section is none of its business.
	s = message.Splitter{Max: 10}
	n, err := s.Feed([]byte("A: 4\r\n\r\n" + strings.Repeat("x", 1000)))
	if n != 8 || err != nil {
		t.Fatalf("%d, %v", n, err)
	}
	var whole message.Splitter
	if _, err := whole.Feed([]byte(strings.Repeat("x", 256<<10+1))); !errors.Is(err, message.ErrHeaderSize) {
		t.Fatalf("got %v", err)
	}
}
