package submission_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/sesame-mta/sesame/auth"
	"github.com/sesame-mta/sesame/event"
	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/queue"
	"github.com/sesame-mta/sesame/submission"
	"github.com/sesame-mta/sesame/submission/admission"
)

// accepted is the time at which every message of these tests is accepted.
var accepted = time.Date(2026, 2, 3, 4, 5, 6, 789e6, time.UTC)

// spool keeps the last appended message in memory.
type spool struct {
	room, draftErr, full, appendErr error
	content                         *draft
	got                             *queue.Submission
}

type draft struct {
	bytes.Buffer
	full      error
	discarded bool
}

func (d *draft) Write(p []byte) (int, error) {
	if d.full != nil {
		return 0, d.full
	}
	return d.Buffer.Write(p)
}
func (d *draft) Size() int64 { return int64(d.Len()) }
func (d *draft) Discard()    { d.discarded = true }
func (d *draft) ReadAt(p []byte, off int64) (int, error) {
	return bytes.NewReader(d.Bytes()).ReadAt(p, off)
}

func (s *spool) Draft(context.Context) (queue.Draft, error) {
	if s.draftErr != nil {
		return nil, s.draftErr
	}
	s.content = &draft{full: s.full}
	return s.content, nil
}
func (s *spool) Room(int64) error { return s.room }
func (s *spool) Append(_ context.Context, q queue.Submission) (mail.ID, error) {
	if s.appendErr != nil {
		return mail.ID{}, s.appendErr
	}
	s.got = &q
	return q.Message.ID, nil
}

// verified covers example.org for account 1 only.
type verified struct{}

func (verified) Covered(account string, a mail.Address) bool {
	return account == "000000000001" && a.Domain() == "example.org"
}

type content struct {
	io.Reader
	facts submission.Facts
}

func (c content) Facts() submission.Facts { return c.facts }

func desk(t testing.TB, s *spool, alter ...func(*submission.Options)) *submission.Desk {
	t.Helper()
	minter, err := mail.NewMinter(bytes.Repeat([]byte{7}, 32), 0, 1)
	if err != nil {
		t.Fatal(err)
	}
	o := submission.Options{
		Hostname: "mx1.example.com", Spool: s, Queue: s, Minter: minter,
		Rules: admission.Rules(admission.Options{Region: "local-1", Identities: verified{}}),
		Keys: func(account string, from mail.Address) []string {
			return []string{account + "/" + from.Domain()}
		},
		Now: func() time.Time { return accepted }, MessageBytes: 10000, MaxAge: time.Hour,
	}
	for _, f := range alter {
		f(&o)
	}
	return submission.New(o)
}

func request(t testing.TB, text string, facts submission.Facts) *submission.Request {
	t.Helper()
	from, err := mail.ParseReversePath("a@example.org")
	if err != nil {
		t.Fatal(err)
	}
	to, err := mail.ParseForwardPath("b@example.net")
	if err != nil {
		t.Fatal(err)
	}
	return &submission.Request{
		Principal: &auth.Principal{Account: "000000000001"},
		Origin:    submission.Origin{Helo: "app.example.org", Protocol: "ESMTPSA", TLS: "TLSv1.3", Cipher: "TLS_AES_128_GCM_SHA256"},
		From:      from, To: []mail.ForwardPath{to}, Content: content{strings.NewReader(text), facts},
	}
}

// leaving gives the message as it leaves, the id put out of the way.
func leaving(s *spool) string {
	m := s.got.Message
	out := string(m.Edit.Apply(s.content.Bytes()[:m.HeaderSize])) + s.content.String()[m.HeaderSize:]
	return strings.ReplaceAll(out, m.ID.String(), "ID")
}

const received = "Received: from app.example.org\r\n\tby mx1.example.com with ESMTPSA (TLSv1.3 TLS_AES_128_GCM_SHA256)\r\n" +
	"\tid ID\r\n\tfor <b@example.net>;\r\n\tTue, 3 Feb 2026 04:05:06 +0000\r\n"

func TestWhatLeavesIsTheHeaderEditedAndTheBodyUntouched(t *testing.T) {
	const dateAndID = "Date: Tue, 3 Feb 2026 04:05:06 +0000\r\n"
	for name, c := range map[string]struct {
		text   string
		strict bool
		want   string
	}{
		"missing Message-ID and Date are added": {
			text: "From: a@example.org\r\n\r\nhi\r\n",
			want: received + "Message-ID: <ID@mx1.example.com>\r\n" + dateAndID + "From: a@example.org\r\n\r\nhi\r\n",
		},
		"those of the client stay": {
			text: "Date: yesterday\r\nFrom: a@example.org\r\nMessage-ID: <x@y>\r\n\r\nhi\r\n",
			want: received + "Date: yesterday\r\nFrom: a@example.org\r\nMessage-ID: <x@y>\r\n\r\nhi\r\n",
		},
		"strict replaces them and shows no hop": {
			strict: true,
			text:   "Date: yesterday\r\nFrom: a@example.org\r\nmessage-id: <x@y>\r\n\r\nhi\r\n",
			want:   "Message-ID: <ID@mx1.example.com>\r\n" + dateAndID + "MIME-Version: 1.0\r\nFrom: a@example.org\r\n\r\nhi\r\n",
		},
		"blind copies, Return-Path and control fields go": {
			text: "Message-ID: <x@y>\r\nBcc: c@example.net,\r\n d@example.net\r\nFrom: a@example.org\r\nDate: d\r\n" +
				"return-path: <a@example.org>\r\nX-SES-Message-Tags: a=b\r\nX-SES-Outgoing: 2020.01.01-192.0.2.1\r\nResent-Bcc: x@example.net\r\nX-Other: stays\r\n\r\nBcc: body\r\n",
			want: received + "Message-ID: <x@y>\r\nFrom: a@example.org\r\nDate: d\r\nX-Other: stays\r\n\r\nBcc: body\r\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := &spool{}
			r := request(t, c.text, submission.Facts{})
			r.Principal.Strict = c.strict
			id, err := desk(t, s).Submit(t.Context(), r)
			if err != nil {
				t.Fatal(err)
			}
			if got := leaving(s); got != c.want {
				t.Errorf("leaves as\n%s\nwant\n%s", got, c.want)
			}
			if s.content.String() != c.text {
				t.Errorf("the spool holds %q, not what the client sent", s.content)
			}
			if s.got.Message.ID != id || !id.Time().Equal(accepted) {
				t.Errorf("id %v of %v", id, id.Time())
			}
			if got := s.got.Message.Keys; len(got) != 1 || got[0] != "000000000001/example.org" {
				t.Errorf("keys %q", got)
			}
		})
	}
}

func TestRefusals(t *testing.T) {
	const notVerified = "554 5.7.1 Message rejected: Email address is not verified. The following identities failed the check in region LOCAL-1: "
	hops := strings.Repeat("Received: from x by y; z\r\n", 51)
	for name, c := range map[string]struct {
		text   string
		facts  submission.Facts
		from   string
		strict bool
		want   string
	}{
		"no From":             {text: "Subject: x\r\n\r\n", want: "554 5.6.0 Transaction failed: Missing required header 'From'."},
		"two From":            {text: "From: a@example.org\r\nFROM: a@example.org\r\n\r\n", want: "554 5.6.0 Transaction failed: Duplicate header 'From'."},
		"foreign From":        {text: "From: x@example.net\r\n\r\n", want: notVerified + "x@example.net"},
		"foreign envelope":    {text: "From: a@example.org\r\n\r\n", from: "x@example.net", want: notVerified + "x@example.net"},
		"both foreign":        {text: "From: y@example.com\r\n\r\n", from: "x@example.net", want: notVerified + "x@example.net, y@example.com"},
		"foreign Sender":      {text: "From: a@example.org\r\nSender: s@example.net\r\n\r\n", want: notVerified + "s@example.net"},
		"foreign Return-Path": {text: "From: a@example.org\r\nReturn-Path: <s@example.net>\r\n\r\n", want: notVerified + "s@example.net"},
		"one From of two":     {text: "From: a@example.org, x@example.net\r\n\r\n", want: notVerified + "x@example.net"},
		"From without domain": {text: "From: root\r\n\r\n", want: "554 5.6.0 Transaction failed: Missing final '@domain'"},
		"quoted at in From":   {text: "From: \"a@example.org\"@example.net\r\n\r\n", want: "554 5.6.0 Transaction failed: Local address contains illegal character"},
		"a loop":              {text: hops + "From: a@example.org\r\n\r\n", want: "554 5.4.6 Too many hops: the message seems to go in a loop"},
		"a configuration set": {text: "X-SES-Configuration-Set: my-set\r\nFrom: a@example.org\r\n\r\n", want: "554 5.7.1 Configuration Set does not exist: Configuration set <my-set> does not exist."},
		"8-bit in the header": {text: "From: a@example.org\r\nSubject: \xc3\xa4\r\n\r\n", want: "554 5.6.0 Transaction failed: Header contains 8-bit characters (line 2)"},
		"over the size":       {text: "From: a@example.org\r\n\r\n" + strings.Repeat("x", 10000), want: "552 5.3.4 Message is too long."},
	} {
		t.Run(name, func(t *testing.T) {
			s := &spool{}
			r := request(t, c.text, c.facts)
			r.Principal.Strict = c.strict
			if c.from != "" {
				r.From, _ = mail.ParseReversePath(c.from)
			}
			_, err := desk(t, s).Submit(t.Context(), r)
			var reply *mail.Reply
			if !errors.As(err, &reply) {
				t.Fatalf("no refusal: %v", err)
			}
			if reply.String() != c.want {
				t.Errorf("refused with\n%s\nwant\n%s", reply, c.want)
			}
			if s.got != nil || !s.content.discarded {
				t.Error("something of a refused message was kept")
			}
			if rest, _ := io.ReadAll(r.Content); len(rest) > 0 {
				t.Errorf("%d octets of the content were left unread", len(rest))
			}
		})
	}
}

func TestARefusalOfManyIdentitiesStaysWithinOneReplyLine(t *testing.T) {
	var from []string
	for i := range 40 {
		from = append(from, fmt.Sprintf("somebody%d@example.net", i))
	}
	_, err := desk(t, &spool{}).Submit(t.Context(), request(t, "From: "+strings.Join(from, ",\r\n ")+"\r\n\r\n", submission.Facts{}))
	var reply *mail.Reply
	if !errors.As(err, &reply) {
		t.Fatal(err)
	}
	wire := string(reply.Wire(nil))
	if len(wire) > mail.MaxReplyLine || !strings.HasSuffix(wire, "...\r\n") || strings.Count(wire, "\n") != 1 {
		t.Errorf("%d octets: %q", len(wire), wire)
	}
}

func TestStorageTroubleIsTemporary(t *testing.T) {
	for name, c := range map[string]struct {
		spool spool
		want  string
	}{
		"disk full while writing": {spool{full: queue.ErrFull}, "452 4.3.1 Insufficient system storage"},
		"disk full at append":     {spool{appendErr: fmt.Errorf("x: %w", queue.ErrFull)}, "452 4.3.1 Insufficient system storage"},
		"daily quota":             {spool{appendErr: queue.ErrQuota}, "454 4.7.0 Throttling failure: Daily message quota exceeded."},
		"broken":                  {spool{appendErr: queue.ErrBroken}, "451 4.3.0 Temporary service failure"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := desk(t, &c.spool).Submit(t.Context(), request(t, "From: a@example.org\r\n\r\n", submission.Facts{}))
			var reply *mail.Reply
			if !errors.As(err, &reply) || reply.String() != c.want {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
}

func TestARefusalIsLoggedOnceWithItsCauseIfItHasOne(t *testing.T) {
	for name, c := range map[string]struct {
		spool   spool
		content io.Reader
		want    string
	}{
		"by a rule":      {spool{}, strings.NewReader("Subject: x\r\n\r\n"), `code=554 status=5.6.0 text="Transaction failed: Missing required header 'From'."`},
		"by the door":    {spool{}, iotest.ErrReader(mail.Refuse(554, 6, 0, "Bare LF")), `code=554 status=5.6.0 text="Bare LF"`},
		"at append":      {spool{appendErr: queue.ErrQuota}, strings.NewReader("From: a@example.org\r\n\r\n"), `err="` + queue.ErrQuota.Error() + `" code=454`},
		"before it came": {spool{draftErr: queue.ErrFull}, strings.NewReader("From: a@example.org\r\n\r\n"), `err="disk of server: ` + queue.ErrFull.Error() + `" code=452`},
	} {
		t.Run(name, func(t *testing.T) {
			var b strings.Builder
			r := request(t, "", submission.Facts{})
			r.Content = content{Reader: c.content}
			r.Origin.Client = netip.MustParseAddr("192.0.2.7")
			_, err := desk(t, &c.spool, func(o *submission.Options) {
				o.Log = slog.New(slog.NewTextHandler(&b, nil))
			}).Submit(t.Context(), r)
			if err == nil || strings.Count(b.String(), "\n") != 1 || !strings.Contains(b.String(), c.want) ||
				strings.Contains(b.String(), "err=") != strings.Contains(c.want, "err=") ||
				!strings.Contains(b.String(), "account=000000000001 from=a@example.org source=192.0.2.7") {
				t.Errorf("%v, logged\n%s", err, b.String())
			}
		})
	}
}

func TestAContentThatEndsEarlyLeavesNothing(t *testing.T) {
	s := &spool{}
	r := request(t, "", submission.Facts{})
	r.Content = content{io.MultiReader(strings.NewReader("From: a@example.org\r\n\r\nhalf"), iotest.ErrReader(io.ErrUnexpectedEOF)), submission.Facts{}}
	if _, err := desk(t, s).Submit(t.Context(), r); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Fatalf("got %v", err)
	}
	if s.got != nil || !s.content.discarded {
		t.Error("half a message was kept")
	}
}

func TestARecipientThatStandsTwiceGetsOneCopy(t *testing.T) {
	s := &spool{}
	r := request(t, "From: a@example.org\r\n\r\n", submission.Facts{})
	other, _ := mail.ParseForwardPath("c@example.net")
	r.To = append(r.To, other, r.To[0])
	if _, err := desk(t, s).Submit(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	if n := len(s.got.Message.To); n != 2 || s.got.Charge.Recipients != 2 {
		t.Errorf("%d recipients, charged %d", n, s.got.Charge.Recipients)
	}
}

func TestRoom(t *testing.T) {
	s := &spool{}
	d := desk(t, s)
	if err := d.Room(t.Context(), mail.ReversePath{}, 10000); err != nil {
		t.Error(err)
	}
	if err := d.Room(t.Context(), mail.ReversePath{}, 10001); err == nil || err.Error() != "552 5.3.4 Message is too long." {
		t.Errorf("over the size: %v", err)
	}
	s.room = queue.ErrFull
	var reply *mail.Reply
	if err := d.Room(t.Context(), mail.ReversePath{}, 0); !errors.As(err, &reply) || reply.Code != 452 {
		t.Errorf("full: %v", err)
	}
}

func TestUnsignedMailIsWarnedOfOnceAnHourForEachDomain(t *testing.T) {
	var log bytes.Buffer
	now := accepted
	d := desk(t, &spool{}, func(o *submission.Options) {
		o.Keys = func(string, mail.Address) []string { return nil }
		o.Now = func() time.Time { return now }
		o.Log = slog.New(slog.NewTextHandler(&log, nil))
	})
	for _, pause := range []time.Duration{0, 59 * time.Minute, 2 * time.Minute} {
		now = now.Add(pause)
		if _, err := d.Submit(t.Context(), request(t, "From: a@example.org\r\n\r\n", submission.Facts{})); err != nil {
			t.Fatal(err)
		}
	}
	if n := strings.Count(log.String(), "level=WARN"); n != 2 {
		t.Errorf("%d warnings in 61 minutes, want 2:\n%s", n, &log)
	}
}

func TestANoticePassesNoRuleAndHasANullReversePath(t *testing.T) {
	s := &spool{}
	to, _ := mail.ParseForwardPath("a@example.org")
	n := event.Notice{ID: mail.ID{1}, Account: "000000000001", To: to, Keys: []string{"k"},
		Header: []byte("From: MAILER-DAEMON@mx1.example.com\r\n\r\n"), Body: []byte("sorry\r\n")}
	if err := desk(t, s).SubmitNotice(t.Context(), n); err != nil {
		t.Fatal(err)
	}
	m := s.got.Message
	if m.ID != n.ID || !m.From.Null() || !m.Notice || m.HeaderSize != int64(len(n.Header)) || m.Keys[0] != "k" {
		t.Errorf("kept as %+v", m)
	}
	if got := leaving(s); got != string(n.Header)+string(n.Body) {
		t.Errorf("leaves as %q", got)
	}
	if s.got.Charge.Recipients != 0 {
		t.Error("a notice was charged")
	}
}

func ExampleDesk_Submit() {
	s := &spool{}
	t := &testing.T{}
	_, err := desk(t, s).Submit(context.Background(), request(t, "From: x@example.net\r\n\r\nhello\r\n", submission.Facts{}))
	fmt.Println(err)
	// Output: 554 5.7.1 Message rejected: Email address is not verified. The following identities failed the check in region LOCAL-1: x@example.net
}
