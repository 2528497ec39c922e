package submission_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/sesame-mta/sesame/account/configset"
	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/mail/unsubscribe"
	"github.com/sesame-mta/sesame/queue"
	"github.com/sesame-mta/sesame/submission"
)

// drafts remembers all of them; the second fails as it is told.
type drafts struct {
	spool
	all           []*draft
	second, write error
}

func (d *drafts) Draft(ctx context.Context) (queue.Draft, error) {
	if len(d.all) == 1 && d.second != nil {
		return nil, d.second
	}
	got, err := d.spool.Draft(ctx)
	d.all = append(d.all, d.content)
	if len(d.all) == 2 {
		d.content.full = d.write
	}
	return got, err
}

// withList gives a desk the set news of the list letters.
func withList(links *[]unsubscribe.Link) func(*submission.Options) {
	return func(o *submission.Options) {
		o.Sets = sets{"news": {Name: "news", TLS: configset.Optional, Sending: true, Unsubscribe: "letters"},
			"bills": {Name: "bills", TLS: configset.Optional, Sending: true}}
		o.Unsubscribe = func(l unsubscribe.Link) string {
			*links = append(*links, l)
			return "https://mail.example.org/u/1"
		}
	}
}

const newsletter = "From: a@example.org\r\nList-Unsubscribe: <mailto:x@example.org>\r\nSubject: x\r\nX-SES-CONFIGURATION-SET: news\r\n" +
	"LIST-UNSUBSCRIBE-POST: x\r\n\r\nLeave: {{sesameUnsubscribeUrl}}\r\n"

func TestALetterOfAListIsKeptAsItLeaves(t *testing.T) {
	var links []unsubscribe.Link
	d := &drafts{}
	id, err := desk(t, &d.spool, withList(&links), func(o *submission.Options) { o.Spool = d }).Submit(t.Context(), request(t, newsletter, submission.Facts{}))
	if err != nil {
		t.Fatal(err)
	}
	m := d.got.Message
	if len(d.all) != 2 || d.got.Content != d.all[1] || !d.all[0].discarded || m.Size != d.all[1].Size() || !m.Keep {
		t.Errorf("%d drafts, kept %+v", len(d.all), m)
	}
	text, err := io.ReadAll(io.NewSectionReader(d.all[1], 0, m.Size))
	if err != nil {
		t.Fatal(err)
	}
	header := string(m.Edit.Apply(text[:m.HeaderSize]))
	if string(text[m.HeaderSize:]) != "Leave: https://mail.example.org/u/1\r\n" || strings.Contains(header, "mailto") ||
		!strings.Contains(header, "\r\nList-Unsubscribe: <https://mail.example.org/u/1>\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n") ||
		strings.Count(strings.ToLower(header), "list-unsubscribe:") != 1 || !strings.Contains(header, "\r\nSubject: x\r\n") || strings.Contains(header, "X-SES") {
		t.Errorf("it leaves as\n%s%s", header, text[m.HeaderSize:])
	}
	want := unsubscribe.Link{ID: id, Account: "000000000001", List: "letters", To: m.To[0].Address}
	if len(links) != 1 || links[0] != want {
		t.Errorf("%+v, want %+v", links, want)
	}
}

func TestWhatCannotBeLeftIsKeptAsItCame(t *testing.T) {
	two := request(t, newsletter, submission.Facts{})
	two.To = append(two.To, mail.ForwardPath{Address: two.From.Address})
	for name, r := range map[string]*submission.Request{
		"two recipients": two,
		"another set":    request(t, strings.Replace(newsletter, "SET: news", "SET: bills", 1), submission.Facts{}),
		"no set":         request(t, strings.Replace(newsletter, "X-SES-CONFIGURATION-SET: news\r\n", "", 1), submission.Facts{}),
		"signed":         request(t, "DKIM-Signature: v=1\r\n"+newsletter, submission.Facts{}),
	} {
		var links []unsubscribe.Link
		d := &drafts{}
		_, err := desk(t, &d.spool, withList(&links), func(o *submission.Options) { o.Spool = d }).Submit(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		if len(d.all) != 1 || d.got.Content != d.all[0] || len(links) != 0 || d.got.Message.Keep || strings.Contains(string(d.got.Message.Edit.Prefix), "List-") {
			t.Errorf("%s: %d drafts, links %v", name, len(d.all), links)
		}
	}
}

// One click takes a signature (RFC 8058 section 4).
func TestALetterWithoutASignatureHasALinkAndNoOneClick(t *testing.T) {
	var links []unsubscribe.Link
	s := &spool{}
	d := desk(t, s, withList(&links), func(o *submission.Options) { o.Keys = nil })
	if _, err := d.Submit(t.Context(), request(t, newsletter, submission.Facts{})); err != nil {
		t.Fatal(err)
	}
	if head := string(s.got.Message.Edit.Prefix); !strings.Contains(head, "List-Unsubscribe: <https:") || strings.Contains(head, "One-Click") {
		t.Errorf("%s", head)
	}
}

func TestALetterThatCannotBeEditedIsRefusedWhole(t *testing.T) {
	for name, d := range map[string]*drafts{"no draft": {second: queue.ErrFull}, "no room": {write: queue.ErrFull}, "broken": {second: queue.ErrBroken}} {
		var links []unsubscribe.Link
		_, err := desk(t, &d.spool, withList(&links), func(o *submission.Options) { o.Spool = d }).Submit(t.Context(), request(t, newsletter, submission.Facts{}))
		var reply *mail.Reply
		if !errors.As(err, &reply) || !reply.Temporary() || d.got != nil {
			t.Errorf("%s: %v, kept %v", name, err, d.got)
		}
		for i, one := range d.all {
			if !one.discarded {
				t.Errorf("%s: draft %d stays", name, i)
			}
		}
	}
}
