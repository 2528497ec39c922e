package message_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sesame-mta/sesame/mail/message"
)

const header = "Received: from a.example.org\r\n" +
	"\tby b.example.org; Thu, 6 Nov 2025 17:06:10 +0000\r\n" +
	"received: from c.example.org\r\n" +
	"From: Ann <ann@example.com>\r\n" +
	"Bcc: bob@example.net\r\n" +
	"Subject:\r\n" +
	" folded \t\r\n" +
	"  twice\r\n" +
	"X-Empty:\r\n" +
	"\r\n"

func TestScanGivesTheFieldsWithTheirPlaces(t *testing.T) {
	s, err := message.Scan([]byte(header))
	if err != nil {
		t.Fatal(err)
	}
	if !s.Ended {
		t.Error("the empty line was not seen")
	}
	var got [][2]string
	at := uint32(0)
	for _, f := range s.Fields {
		if f.Off != at {
			t.Errorf("%s begins at %d, the field before it ends at %d", f.Name, f.Off, at)
		}
		at = f.Off + f.Len
		whole := header[f.Off:at]
		if whole != f.Name+":"+f.Raw+"\r\n" {
			t.Errorf("span of %s holds %q, not the whole field", f.Name, whole)
		}
		got = append(got, [2]string{f.Name, f.Value()})
	}
	if int(at)+2 != len(header) {
		t.Errorf("the last field ends at %d of %d", at, len(header))
	}
	want := [][2]string{
		{"Received", "from a.example.org\tby b.example.org; Thu, 6 Nov 2025 17:06:10 +0000"},
		{"received", "from c.example.org"},
		{"From", "Ann <ann@example.com>"},
		{"Bcc", "bob@example.net"},
		{"Subject", "folded \t  twice"},
		{"X-Empty", ""},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestASectionFindsFieldsWithoutRegardToCase(t *testing.T) {
	s, err := message.Scan([]byte(header))
	if err != nil {
		t.Fatal(err)
	}
	if n := s.Count("RECEIVED"); n != 2 {
		t.Errorf("%d Received fields, want 2", n)
	}
	if all := s.All("Received"); len(all) != 2 || all[1].Name != "received" {
		t.Errorf("got %v", all)
	}
	if f, ok := s.Get("FROM"); !ok || f.Value() != "Ann <ann@example.com>" {
		t.Errorf("got %v, %v", f, ok)
	}
	if _, ok := s.Get("To"); ok {
		t.Error("found a field that is not there")
	}
}

func TestDroppedFieldsLeaveAndTheRestStays(t *testing.T) {
	s, err := message.Scan([]byte(header))
	if err != nil {
		t.Fatal(err)
	}
	e := message.Edit{Prefix: []byte("Date: now\r\n"), Drop: s.Spans("BCC", "Subject")}
	want := "Date: now\r\n" + header[:strings.Index(header, "Bcc")] + "X-Empty:\r\n\r\n"
	if d := cmp.Diff(want, string(e.Apply([]byte(header)))); d != "" {
		t.Error(d)
	}
}

func TestAnEditedSectionEndsInTheEmptyLine(t *testing.T) {
	for in, want := range map[string]string{
		"A: b\r\n\r\n": "X: y\r\nA: b\r\n\r\n",
		"A: b\r\n":     "X: y\r\nA: b\r\n\r\n",
		"\r\n":         "X: y\r\n\r\n",
	} {
		if got := string((message.Edit{Prefix: []byte("X: y\r\n")}).Apply([]byte(in))); got != want {
			t.Errorf("%q became %q", in, got)
		}
	}
}

func TestASectionHoldsNothingOfTheCallersBuffer(t *testing.T) {
	buf := []byte(header)
	s, err := message.Scan(buf)
	if err != nil {
		t.Fatal(err)
	}
	clear(buf)
	if f, _ := s.Get("From"); f.Value() != "Ann <ann@example.com>" {
		t.Errorf("the field changed with the buffer: %q", f.Value())
	}
}

func TestAMessageWithoutABodyMayLackTheEmptyLine(t *testing.T) {
	s, err := message.Scan([]byte("From: ann@example.com\r\n"))
	if err != nil || s.Ended || len(s.Fields) != 1 {
		t.Fatalf("%+v, %v", s, err)
	}
}

func TestWhatTwoParsersCouldReadDifferentlyIsRefused(t *testing.T) {
	const from = "From: ann@example.com\r\n"
	for _, c := range []struct {
		name, header string
		want         error
	}{
		{"nothing", "", message.ErrNoHeader},
		{"only the empty line", "\r\n", message.ErrNoHeader},
		{"8-bit", from + "Subject: caf\xe9\r\n\r\n", message.ErrEightBit},
		{"UTF-8", from + "Subject: café\r\n\r\n", message.ErrEightBit},
		{"8-bit in a name", from + "S\xfcbject: x\r\n\r\n", message.ErrEightBit},
		{"NUL", from + "Subject: a\x00b\r\n\r\n", message.ErrControl},
		{"vertical tab", from + "Subject: a\vFrom: b\r\n\r\n", message.ErrControl},
		{"form feed", from + "Subject: a\fFrom: b\r\n\r\n", message.ErrControl},
		{"record separator", from + "Subject: a\x1eFrom: b\r\n\r\n", message.ErrControl},
		{"escape", from + "Subject: \x1b[2J\r\n\r\n", message.ErrControl},
		{"DEL", from + "Subject: \x7f\r\n\r\n", message.ErrControl},
		{"bare CR", from + "Subject: a\rFrom: b\r\n\r\n", message.ErrBareCR},
		{"CR CR LF", from + "Subject: a\r\r\n\r\n", message.ErrBareCR},
		{"CR at the end", from + "Subject: a\r", message.ErrBareCR},
		{"bare LF", from + "Subject: a\nFrom: b\r\n\r\n", message.ErrBareLF},
		{"blank before the colon", "From : ann@example.com\r\n\r\n", message.ErrBadName},
		{"tab before the colon", "From\t: ann@example.com\r\n\r\n", message.ErrBadName},
		{"blank in the name", "Fr om: ann@example.com\r\n\r\n", message.ErrBadName},
		{"continuation first", " From: ann@example.com\r\n\r\n", message.ErrContinuation},
		{"no colon", from + "hello\r\n\r\n", message.ErrNoColon},
		{"mbox line", "From ann Thu Nov  6\r\n" + from + "\r\n", message.ErrNoColon},
		{"a body without an empty line", from + "Hello Bob,\r\n", message.ErrNoColon},
		{"no name", from + ": x\r\n\r\n", message.ErrNoName},
		{"continuation of blanks", from + "Subject: a\r\n \t\r\n b\r\n\r\n", message.ErrBlankLine},
		{"no line end", "From: ann@example.com", message.ErrUnended},
		{"text after the empty line", from + "\r\nTo: x@example.com\r\n", message.ErrAfterHeader},
		{"a long name", strings.Repeat("n", 127) + ": x\r\n\r\n", message.ErrNameLength},
		{"many fields", strings.Repeat("a: b\r\n", 1001) + "\r\n", message.ErrFieldCount},
		{"a long section", from + "Subject: " + strings.Repeat("x", 256<<10) + "\r\n\r\n", message.ErrHeaderSize},
	} {
		t.Run(c.name, func(t *testing.T) {
			if s, err := message.Scan([]byte(c.header)); !errors.Is(err, c.want) {
				t.Errorf("got %v, %v; want %v", s, err, c.want)
			}
		})
	}
}

func TestTheLimitsThemselvesAreAllowed(t *testing.T) {
	for name, h := range map[string]string{
		"name":    strings.Repeat("n", 126) + ": x\r\n\r\n",
		"fields":  strings.Repeat("a: b\r\n", 1000) + "\r\n",
		"section": "a: " + strings.Repeat("b", 256<<10-7) + "\r\n\r\n",
	} {
		if _, err := message.Scan([]byte(h)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err := message.Limits{Fields: 2}.Scan([]byte("a: 1\r\nb: 2\r\nc: 3\r\n\r\n"))
	if !errors.Is(err, message.ErrFieldCount) {
		t.Errorf("got %v", err)
	}
}

func TestAnErrorNamesTheLine(t *testing.T) {
	_, err := message.Scan([]byte("A: b\r\n c\r\nno field\r\n\r\n"))
	if err == nil || err.Error() != "Header line has no colon (line 3)" {
		t.Errorf("got %v", err)
	}
}

func FuzzScan(f *testing.F) {
	f.Add([]byte(header))
	f.Add([]byte("A: b\r\n c\r\n"))
	f.Add([]byte("A : b\r\n\r\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		s, err := message.Scan(in)
		if err != nil {
			return
		}
		// What was read is all there is: the fields and the empty line.
		var again []byte
		for _, f := range s.Fields {
			again = append(again, f.Name+":"+f.Raw+"\r\n"...)
			if v := f.Value(); strings.ContainsAny(v, "\r\n") {
				t.Errorf("value %q holds a line end", v)
			}
		}
		if s.Ended {
			again = append(again, "\r\n"...)
		}
		if string(again) != string(in) {
			t.Errorf("%q was read as %q", in, again)
		}
		if rest := (message.Edit{Drop: s.Spans(s.Fields[0].Name)}).Apply(in); len(rest) >= len(in) {
			t.Errorf("dropping %q left %q", s.Fields[0].Name, rest)
		}
	})
}

func TestEightBitCharactersMayStandInTheFieldsThatAreNamed(t *testing.T) {
	l := message.Limits{EightBit: func(name string) bool { return strings.EqualFold(name, "X-Tags") }}
	for text, want := range map[string]error{
		"X-Tags: caf\xc3\xa9\r\n\tcaf\xe9\r\nSubject: x\r\n\r\n": nil,
		"x-tags: caf\xc3\xa9\r\nSubject: \xe9\r\n\r\n":           message.ErrEightBit,
		"Subject: x\r\n caf\xc3\xa9\r\nX-Tags: x\r\n\r\n":        message.ErrEightBit,
		"X-Tags\xc3: x\r\n\r\n":                                  message.ErrEightBit,
		"X-Tags: a\x00b\r\n\r\n":                                 message.ErrControl,
	} {
		if _, err := l.Scan([]byte(text)); !errors.Is(err, want) {
			t.Errorf("%q: got %v, want %v", text, err, want)
		}
	}
}
