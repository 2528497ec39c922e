package mail_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/sesame-mta/sesame/mail"
)

func TestRepliesInWireForm(t *testing.T) {
	long := strings.Repeat("x", 600)
	for _, c := range []struct {
		name  string
		reply *mail.Reply
		want  string
	}{
		{"with a status", mail.Refuse(554, 7, 1, "Account is paused"), "554 5.7.1 Account is paused\r\n"},
		{"as recorded from SES", mail.Recorded(535, 7, 8, "Authentication Credentials Invalid"),
			"535 Authentication Credentials Invalid\r\n"},
		{"without a status", &mail.Reply{Code: 250, Text: "Ok"}, "250 Ok\r\n"},
		{"every line with its status", mail.Refuse(550, 1, 1, "one\ntwo\nthree"),
			"550-5.1.1 one\r\n550-5.1.1 two\r\n550 5.1.1 three\r\n"},
		{"recorded in lines", mail.Recorded(250, 0, 0, "one\ntwo"), "250-one\r\n250 two\r\n"},
		{"what is not printable", mail.Recorded(550, 0, 0, "a\rb\x00\x1b[2J\xc3\xa9\x7f"), "550 a?b??[2J???\r\n"},
		{"a line too long", mail.Recorded(550, 0, 0, long), "550 " + long[:506] + "\r\n"},
		{"a line too long with a status", mail.Refuse(550, 1, 1, long+"\ny"), "550-5.1.1 " + long[:500] + "\r\n550 5.1.1 y\r\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := string(c.reply.Wire([]byte("before "))); got != "before "+c.want {
				t.Errorf("got %q", got)
			}
		})
	}
}

func TestARefusalIsAnErrorThatKeepsItsCauseToItself(t *testing.T) {
	cause := errors.New("open /var/lib/x: denied")
	plain := mail.Refuse(451, 3, 0, "Temporary service failure")
	r := plain.WithCause(cause)
	if plain.Cause != nil {
		t.Error("the original has a cause")
	}
	err := fmt.Errorf("admit: %w", r)
	var got *mail.Reply
	if !errors.As(err, &got) || got.Code != 451 || !errors.Is(err, cause) {
		t.Fatalf("%v", err)
	}
	if wire := string(got.Wire(nil)); strings.Contains(wire, "var") {
		t.Error(wire)
	}
	if got.Error() != "451 4.3.0 Temporary service failure: open /var/lib/x: denied" {
		t.Error(got.Error())
	}
	text, jsonErr := json.Marshal(r)
	if jsonErr != nil || strings.Contains(string(text), "denied") {
		t.Errorf("%s, %v", text, jsonErr)
	}
}

func TestTheClassOfAReply(t *testing.T) {
	for code, want := range map[int][2]bool{ // temporary, positive
		250: {true, true}, 354: {true, false}, 421: {true, false}, 452: {true, false}, 554: {false, false},
		// A code that is none: unknown means temporary.
		0: {true, false}, 650: {true, false},
	} {
		r := mail.Reply{Code: code}
		if got := [2]bool{r.Temporary(), r.Positive()}; got != want {
			t.Errorf("%d: %v", code, got)
		}
	}
}

func TestAReplyForPeopleIsOneLine(t *testing.T) {
	for want, r := range map[string]mail.Reply{
		"550 5.1.1 no such user":  {Code: 550, Status: mail.Status{Class: 5, Subject: 1, Detail: 1}, Text: "no such\nuser"},
		"connection refused":      {Text: "connection refused"},
		"421":                     {Code: 421},
		"4.4.1 connection closed": {Status: mail.Status{Class: 4, Subject: 4, Detail: 1}, Text: "connection closed"},
		"":                        {},
	} {
		if got := r.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestTheStatusIsCutOffAText(t *testing.T) {
	for in, want := range map[string]struct {
		status mail.Status
		rest   string
	}{
		"5.1.1 no such user":  {mail.Status{Class: 5, Subject: 1, Detail: 1}, "no such user"},
		"4.7.999  later":      {mail.Status{Class: 4, Subject: 7, Detail: 999}, "later"},
		"2.0.0":               {mail.Status{Class: 2}, ""},
		"no such user":        {mail.Status{}, "no such user"},
		"":                    {mail.Status{}, ""},
		"3.1.1 x":             {mail.Status{}, "3.1.1 x"},
		"5.1 x":               {mail.Status{}, "5.1 x"},
		"5.1.1.1 x":           {mail.Status{}, "5.1.1.1 x"},
		"55.1.1 x":            {mail.Status{}, "55.1.1 x"},
		"5.1000.1 x":          {mail.Status{}, "5.1000.1 x"},
		"5.-1.1 x":            {mail.Status{}, "5.-1.1 x"},
		"5.+1.1 x":            {mail.Status{}, "5.+1.1 x"},
		"5..1 x":              {mail.Status{}, "5..1 x"},
		"5.1.1: x":            {mail.Status{}, "5.1.1: x"},
		"192.0.2.1 is listed": {mail.Status{}, "192.0.2.1 is listed"},
	} {
		if s, rest := mail.CutStatus(in); s != want.status || rest != want.rest {
			t.Errorf("%q: %v, %q", in, s, rest)
		}
	}
}

func TestResultsHaveNames(t *testing.T) {
	for r, want := range map[mail.Result]string{
		mail.Delivered: "delivered", mail.Deferred: "deferred", mail.Failed: "failed", 0: "unknown",
	} {
		if r.String() != want {
			t.Errorf("%d is %s", int(r), r)
		}
	}
}

func FuzzCutStatus(f *testing.F) {
	f.Add("5.1.1 no such user")
	f.Add("4.7.0\tx")
	f.Fuzz(func(t *testing.T, in string) {
		s, rest := mail.CutStatus(in)
		if s.IsZero() {
			if rest != in {
				t.Errorf("%q lost text", in)
			}
			return
		}
		if again, more := mail.CutStatus(s.String() + " " + rest); again != s || more != rest {
			t.Errorf("%q came back as %v %q", in, again, more)
		}
		if s.Subject > 999 || s.Detail > 999 || !strings.HasSuffix(in, rest) {
			t.Errorf("%q became %v %q", in, s, rest)
		}
	})
}

func FuzzReplyWire(f *testing.F) {
	f.Add("one\ntwo", true)
	f.Add("a\r\nb\x00", false)
	f.Fuzz(func(t *testing.T, text string, bare bool) {
		r := mail.Refuse(550, 1, 1, text)
		r.Bare = bare
		wire := string(r.Wire(nil))
		body, ok := strings.CutSuffix(wire, "\r\n")
		if !ok {
			t.Fatalf("%q has no end", wire)
		}
		lines := strings.Split(body, "\r\n")
		for i, line := range lines {
			sep := byte('-')
			if i == len(lines)-1 {
				sep = ' '
			}
			if len(line)+2 > mail.MaxReplyLine || !strings.HasPrefix(line, "550") || line[3] != sep ||
				strings.ContainsAny(line, "\r\n\x00") {
				t.Errorf("line %q of %q", line, text)
			}
		}
	})
}
