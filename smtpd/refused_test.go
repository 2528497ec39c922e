package smtpd_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/smtpd"
	"github.com/sesame-mta/sesame/submission"
)

func TestWhatTheDeskDoesNotSeeIsTold(t *testing.T) {
	for name, c := range map[string]struct {
		mode string
		full bool
		say  string
		code int
		to   int
	}{
		"no room at MAIL":     {"", true, "EHLO app\r\nMAIL FROM:<a@example.org>\r\nQUIT\r\n", 452, 0},
		"too many recipients": {"strict", false, "EHLO app\r\nMAIL FROM:<a@example.org>\r\n" + strings.Repeat("RCPT TO:<b@example.net>\r\n", 51) + "DATA\r\nx\r\n.\r\nQUIT\r\n", 554, 50},
		"what the desk sees":  {"", false, "EHLO app\r\nMAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.net>\r\nDATA\r\na\nb\r\n.\r\nQUIT\r\n", 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			told := make(chan struct{}, 10)
			var got *submission.Request
			var said *mail.Reply
			var j journal
			p := newPlayer(t, func(o *smtpd.Options) {
				settings(c.mode)(o)
				o.Log = j.log()
				if c.full {
					o.Desk.(*desk).room = mail.Refuse(452, 3, 1, "Insufficient system storage")
				}
				o.Refused = func(r *submission.Request, reply *mail.Reply) {
					got, said = r, reply
					told <- struct{}{}
				}
			})
			_, _ = p.play(c.say, whole)
			if c.code == 0 {
				if len(told) > 0 {
					t.Errorf("told of %+v", said)
				}
				return
			}
			if !strings.Contains(j.String(), `msg="message refused"`) || !strings.Contains(j.String(), fmt.Sprintf("code=%d", c.code)) {
				t.Errorf("not in the log:\n%s", j.String())
			}
			<-told
			if said.Code != c.code || got.From.String() != "a@example.org" || len(got.To) != c.to || got.Origin.Helo != "app" || got.Principal == nil {
				t.Errorf("told of %+v: %v", got, said)
			}
		})
	}
}
