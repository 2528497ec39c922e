package smtpc_test

import (
	"bufio"
	"bytes"
	"strings"
	"testing"

	"github.com/sesame-mta/sesame/delivery/smtpc"
	"github.com/sesame-mta/sesame/mail"
)

func TestReplies(t *testing.T) {
	for name, tc := range map[string]struct {
		wire string
		want mail.Reply
		bad  bool
	}{
		"plain":                       {"250 Ok\r\n", mail.Reply{Code: 250, Text: "Ok"}, false},
		"enhanced":                    {"550 5.1.1 No such user\r\n", mail.Reply{Code: 550, Status: mail.Status{Class: 5, Subject: 1, Detail: 1}, Text: "No such user"}, false},
		"enhanced on each line":       {"550-5.7.26 one\r\n550-5.7.26 two\r\n550 5.7.26 three\r\n", mail.Reply{Code: 550, Status: mail.Status{Class: 5, Subject: 7, Detail: 26}, Text: "one\ntwo\nthree"}, false},
		"enhanced on the first":       {"250-2.0.0 one\r\n250 two\r\n", mail.Reply{Code: 250, Status: mail.Status{Class: 2}, Text: "one\ntwo"}, false},
		"another class is text":       {"550 4.2.1 what\r\n", mail.Reply{Code: 550, Text: "4.2.1 what"}, false},
		"an address is no status":     {"550 1.2.3.4 is listed\r\n", mail.Reply{Code: 550, Text: "1.2.3.4 is listed"}, false},
		"code alone":                  {"250\r\n", mail.Reply{Code: 250}, false},
		"status alone":                {"250 2.1.0\r\n", mail.Reply{Code: 250, Status: mail.Status{Class: 2, Subject: 1}}, false},
		"empty lines":                 {"250-\r\n250 \r\n", mail.Reply{Code: 250, Text: "\n"}, false},
		"a bare LF ends a line":       {"250-a\n250 b\n", mail.Reply{Code: 250, Text: "a\nb"}, false},
		"control characters":          {"250 a\x00b\x1b[31m\x7f\x80\xffc\td\r\n", mail.Reply{Code: 250, Text: "a?b?[31m???c d"}, false},
		"a line of 900 octets":        {"250 " + strings.Repeat("x", 900) + "\r\n", mail.Reply{Code: 250, Text: strings.Repeat("x", 900)}, false},
		"a line over the buffer":      {"250 " + strings.Repeat("x", 9000) + "\r\n", mail.Reply{Code: 250, Text: strings.Repeat("x", 996)}, false},
		"nothing":                     {"", mail.Reply{}, true},
		"half a reply":                {"250-a\r\n", mail.Reply{}, true},
		"half a line":                 {"250 a", mail.Reply{}, true},
		"no number":                   {"HTTP/1.1 200 OK\r\n", mail.Reply{}, true},
		"too small":                   {"199 x\r\n", mail.Reply{}, true},
		"too large":                   {"600 x\r\n", mail.Reply{}, true},
		"no separator":                {"250x\r\n", mail.Reply{}, true},
		"codes that differ":           {"250-a\r\n550 b\r\n", mail.Reply{}, true},
		"two digits":                  {"25\r\n", mail.Reply{}, true},
		"digits from another script":  {"2\xd9\xa50 x\r\n", mail.Reply{}, true},
		"an empty line":               {"\r\n250 a\r\n", mail.Reply{}, true},
		"a line without end":          {"250 " + strings.Repeat("x", 70<<10) + "\r\n", mail.Reply{}, true},
		"lines without end":           {strings.Repeat("250-xxxxxxxxxxxxxxxxxx\r\n", 4000) + "250 x\r\n", mail.Reply{}, true},
		"as many lines as are borne":  {strings.Repeat("250-x\r\n", 9000) + "250 x\r\n", mail.Reply{Code: 250, Text: strings.Repeat("x\n", 9000) + "x"}, false},
		"an enhanced code cut short":  {"450 4.7 x\r\n", mail.Reply{Code: 450, Text: "4.7 x"}, false},
		"an enhanced code too large":  {"450 4.7.1000 x\r\n", mail.Reply{Code: 450, Text: "4.7.1000 x"}, false},
		"what follows is left alone ": {"250 a\r\n550 b\r\n", mail.Reply{Code: 250, Text: "a"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := smtpc.ReadReply(bufio.NewReader(strings.NewReader(tc.wire)))
			if (err != nil) != tc.bad || got != tc.want {
				t.Errorf("got %+v, %v", got, err)
			}
		})
	}
}

func FuzzReadReply(f *testing.F) {
	for _, s := range []string{
		"250 Ok\r\n", "550-5.1.1 a\r\n550 5.1.1 b\r\n", "421\n", "250-\r\n250-\x00\r\n250 \xff\r\n", "25", "250 x" + strings.Repeat("y", 5000),
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, wire []byte) {
		in := bytes.NewReader(wire)
		r := bufio.NewReaderSize(in, 4096)
		got, err := smtpc.ReadReply(r)
		if used := len(wire) - in.Len() - r.Buffered(); used > 64<<10+4096 {
			t.Errorf("%d octets were read", used)
		}
		if err != nil {
			return
		}
		if got.Code < 200 || got.Code > 599 || !got.Status.IsZero() && got.Status.Class != got.Code/100 {
			t.Errorf("reply %+v", got)
		}
		for _, c := range []byte(got.Text) {
			if c != '\n' && (c < ' ' || c > '~') {
				t.Errorf("text has octet %#x", c)
			}
		}
	})
}
