package receiving_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sesame-mta/sesame/delivery"
	"github.com/sesame-mta/sesame/delivery/route"
	"github.com/sesame-mta/sesame/dispatch"
	"github.com/sesame-mta/sesame/dispatch/verdict"
	"github.com/sesame-mta/sesame/event"
	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/queue"
	"github.com/sesame-mta/sesame/receiving"
	"github.com/sesame-mta/sesame/smtpd"
	"github.com/sesame-mta/sesame/submission"
)

// world is what stands around a receiver: what has left, and what it is told.
type world struct {
	minter *mail.Minter

	mu      sync.Mutex
	sent    map[mail.ID]*queue.Message
	told    []dispatch.Feedback
	keys    map[string]bool
	notices map[mail.ID]event.Notice
	order   []mail.ID
	// tellErr and submitErr are what the next calls give.
	keptErr, tellErr, submitErr error
}

func newWorld(t testing.TB) *world {
	t.Helper()
	minter, err := mail.NewMinter(bytes.Repeat([]byte{7}, 32), 0, 1)
	if err != nil {
		t.Fatal(err)
	}
	return &world{minter: minter, sent: map[mail.ID]*queue.Message{}, keys: map[string]bool{}, notices: map[mail.ID]event.Notice{}}
}

func (w *world) Kept(_ context.Context, id mail.ID) (*queue.Message, error) {
	if w.keptErr != nil {
		return nil, w.keptErr
	}
	if m := w.sent[id]; m != nil {
		return m, nil
	}
	return nil, queue.ErrNotFound
}

func (w *world) Feedback(_ context.Context, f dispatch.Feedback) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.tellErr != nil {
		return w.tellErr
	}
	if key := f.ID.String() + f.Key; f.Key == "" || !w.keys[key] {
		w.keys[key] = true
		w.told = append(w.told, f)
	}
	return nil
}

func (w *world) SubmitNotice(_ context.Context, n event.Notice) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.submitErr != nil {
		return w.submitErr
	}
	if _, known := w.notices[n.ID]; !known {
		w.notices[n.ID] = n
		w.order = append(w.order, n.ID)
	}
	return nil
}

// receiver makes one for mail.example.org.
func (w *world) receiver(alter ...func(*receiving.Options)) *receiving.Receiver {
	o := receiving.Options{
		Hostname: "mx1.example.org", Domain: "Mail.example.org", Minter: w.minter, Messages: w, Dispatch: w, Submit: w,
		ServesMailFrom: func(domain string) bool { return domain == "bounce.example.com" },
	}
	for _, f := range alter {
		f(&o)
	}
	return receiving.New(o)
}

// left is a message that has left.
func (w *world) left(to ...string) *queue.Message {
	m := &queue.Message{ID: w.minter.New(time.Date(2026, 11, 22, 12, 0, len(w.sent), 0, time.UTC)), Account: "000000000001",
		MessageID: "<one@example.org>", Accepted: time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)}
	from, err := mail.ParseReversePath("ann@example.org")
	m.From = from
	for _, text := range to {
		p, perr := mail.ParseForwardPath(text)
		err = errors.Join(err, perr)
		m.To = append(m.To, p)
	}
	if err != nil {
		panic(err)
	}
	w.sent[m.ID] = m
	return m
}

type content struct{ io.Reader }

func (content) Facts() submission.Facts { return submission.Facts{} }

func request(text string, from string, to ...string) *submission.Request {
	q := &submission.Request{Content: content{strings.NewReader(text)}}
	var err error
	if q.From, err = mail.ParseReversePath(from); err != nil {
		panic(err)
	}
	for _, t := range to {
		p, err := mail.ParseForwardPath(t)
		if err != nil {
			panic(err)
		}
		q.To = append(q.To, p)
	}
	return q
}

func bounces(m *queue.Message) string { return m.ID.String() + "@mail.example.org" }

// returns is a DSN for recipients.
func returns(status, reply string, failed ...string) string {
	text := "From: MAILER-DAEMON@mx.example.net\r\nSubject: Undelivered\r\nMIME-Version: 1.0\r\n" +
		"Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n--b\r\n\r\nSorry.\r\n\r\n" +
		"--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.example.net\r\n"
	for _, to := range failed {
		text += "\r\nFinal-Recipient: rfc822; " + to + "\r\nAction: failed\r\nStatus: " + status + "\r\nDiagnostic-Code: smtp; " + reply + "\r\n"
	}
	return text + "\r\n--b--\r\n"
}

func Example() {
	w := newWorld(&testing.B{})
	r := w.receiver()
	m := w.left("bob@example.net")
	report := returns("5.1.1", "550 5.1.1 no such user", "bob@example.net")

	fmt.Println(r.Recipient(context.Background(), mail.ForwardPath{Address: m.To[0].Address}))
	fmt.Println(r.Receive(context.Background(), request(report, "", bounces(m))))
	fmt.Println(w.told[0].Type, w.told[0].Recipients[0].To, w.told[0].Recipients[0].Reply.Status)
	fmt.Println(w.notices[w.order[0]].To)
	// Output:
	// not an address of ours
	// <nil>
	// Bounce bob@example.net 5.1.1
	// ann@example.org
}

func TestWhoTakesMailFromAnybody(t *testing.T) {
	w := newWorld(t)
	r := w.receiver()
	id := w.minter.New(time.Now()).String()
	forged := id[:41] + strings.Repeat("0", 12) + id[53:]
	for to, want := range map[string]string{
		id + "@mail.example.org":                  "",
		strings.ToUpper(id) + "@MAIL.example.ORG": "",
		id + "@bounce.example.com":                "",
		id + "@given-up.example.net":              "", // its domain was ours when it left
		forged + "@mail.example.org":              "550 5.1.1 No such address here",
		forged + "@example.net":                   smtpd.ErrNotOurs.Error(),
		"FBL@mail.example.org":                    "",
		"abuse@mx1.example.org":                   "",
		"postmaster@bounce.example.com":           "",
		"abuse@bounce.example.com":                "550 5.1.1 No such address here",
		"ann@mail.example.org":                    "550 5.1.1 No such address here",
		"fbl@example.org":                         smtpd.ErrNotOurs.Error(),
		"fbl@sub.mail.example.org":                smtpd.ErrNotOurs.Error(),
		`"fbl@mail.example.org"@example.net`:      smtpd.ErrNotOurs.Error(),
	} {
		got := ""
		if err := r.Recipient(t.Context(), request("", "", to).To[0]); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s: %q, want %q", to, got, want)
		}
	}
}

func TestOnlyRecipientsOfTheMessageCanBounce(t *testing.T) {
	const no = "550 5.1.1 no such user"
	one, two := []string{"Bob@example.net"}, []string{"bob@example.net", "cy@example.com"}
	for name, c := range map[string]struct {
		to   []string
		text string
		want string
	}{
		"one":                        {one, returns("5.1.1", no, "bob@EXAMPLE.net"), "0 Permanent General 5.1.1"},
		"one of two":                 {two, returns("5.1.1", no, "cy@example.com"), "1 Permanent General 5.1.1"},
		"both":                       {two, returns("5.1.1", no, "cy@example.com", "bob@example.net", "bob@example.net"), "1 Permanent General 5.1.1; 0 Permanent General 5.1.1"},
		"a full mailbox":             {one, returns("5.2.2", "552 5.2.2 mailbox full", one...), "0 Transient MailboxFull 5.2.2"},
		"given up after a while":     {one, returns("4.4.7", "x", one...), "0 Transient General 4.4.7"},
		"somebody else":              {two, returns("5.1.1", no, "eve@example.com"), ""},
		"somebody behind the one":    {one, returns("5.1.1", no, "eve@example.com"), "0 Undetermined Undetermined 5.1.1"},
		"said by the first address":  {one, strings.Replace(returns("5.1.1", no, "eve@example.com"), "Action:", "Original-Recipient: rfc822; bob@example.net\r\nAction:", 1), "0 Permanent General 5.1.1"},
		"delayed":                    {one, strings.ReplaceAll(returns("4.4.1", no, "bob@example.net"), "failed", "delayed"), ""},
		"delayed, of somebody else":  {one, strings.ReplaceAll(returns("4.4.1", no, "eve@example.com"), "failed", "delayed"), ""},
		"no report, from a null one": {one, "Subject: Oops\r\n\r\nIt did not work.\r\n", "0 Undetermined Undetermined "},
		"the same of two":            {two, "Subject: Oops\r\n\r\nIt did not work.\r\n", ""},
		"nothing at all":             {one, "", "0 Undetermined Undetermined "},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			m := w.left(c.to...)
			if err := w.receiver().Receive(t.Context(), request(c.text, "", bounces(m))); err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, f := range w.told {
				r := f.Recipients[0]
				if f.Type != event.Bounce || f.ID != m.ID || r.To != m.To[r.N] {
					t.Errorf("told %+v", f)
				}
				kind, sub := r.BounceType, r.BounceSubType
				if kind == "" {
					kind, sub = read(r)
				}
				got = append(got, fmt.Sprint(r.N, " ", kind, " ", sub, " ", r.Reply.Status))
			}
			if s := strings.Join(got, "; "); s != c.want {
				t.Errorf("told %q, want %q", s, c.want)
			}
		})
	}
}

func TestWhatFailsIsSentAgainAndDoneOnce(t *testing.T) {
	broken := errors.New("disk is away")
	w := newWorld(t)
	r := w.receiver()
	m := w.left("bob@example.net", "cy@example.com")
	text := returns("5.1.1", "550 5.1.1 no such user", "bob@example.net", "cy@example.com")
	again := func() error { return r.Receive(t.Context(), request(text, "", bounces(m))) }

	w.keptErr = broken
	if err := again(); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	w.keptErr, w.tellErr = nil, broken
	if err := again(); !errors.Is(err, broken) || len(w.notices) != 0 {
		t.Errorf("got %v and %d mails", err, len(w.notices))
	}
	w.tellErr, w.submitErr = nil, broken
	if err := again(); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	w.submitErr = nil
	for range 2 {
		if err := again(); err != nil {
			t.Fatal(err)
		}
	}
	if len(w.told) != 2 || len(w.notices) != 2 {
		t.Errorf("%d bounces told, %d mails", len(w.told), len(w.notices))
	}
}

func TestFeedbackThatCannotBeToldIsTaken(t *testing.T) {
	w := newWorld(t)
	r := w.receiver()
	text := returns("5.1.1", "550 5.1.1 no such user", "bob@example.net")
	gone, notice, null := w.left("bob@example.net"), w.left("bob@example.net"), w.left("bob@example.net")
	delete(w.sent, gone.ID)
	notice.Notice = true
	null.From = mail.ReversePath{}
	for name, m := range map[string]*queue.Message{"forgotten": gone, "a notice of ours": notice, "under a null reverse-path": null} {
		for _, to := range []string{bounces(m), "fbl@mail.example.org"} {
			text := text + "Message-ID: " + m.ID.String()
			if err := r.Receive(t.Context(), request(text, "", to)); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	if len(w.told) != 0 || len(w.notices) != 0 {
		t.Errorf("told %v, mailed %v", w.told, w.notices)
	}
}

func TestAReportToARoleIsMatchedByAnIDOfOursInTheOriginal(t *testing.T) {
	w := newWorld(t)
	m := w.left("bob@example.net")
	id := m.ID.String()
	forged := id[:41] + strings.Repeat("0", 12) + id[53:]
	for name, c := range map[string]struct {
		original string
		want     int
	}{
		"in Message-ID":       {"Message-ID: <" + id + "@mail.example.org>", 1},
		"in Return-Path":      {"Return-Path: <" + id + "@mail.example.org>", 1},
		"in Received":         {"Received: from x by mx1.example.org\r\n\tid " + id + "; today\r\nMessage-ID: <one@example.org>", 1},
		"a client's own":      {"Message-ID: <one@example.org>", 0},
		"one that was forged": {"Message-ID: <" + forged + "@mail.example.org>", 0},
	} {
		w.told, w.keys = nil, map[string]bool{}
		text := strings.Replace(returns("5.1.1", "550 5.1.1 no such user", "bob@example.net"), "\r\n--b--",
			"\r\n--b\r\nContent-Type: text/rfc822-headers\r\n\r\n"+c.original+"\r\nFrom: ann@example.org\r\n\r\n--b--", 1)
		if err := w.receiver().Receive(t.Context(), request(text, "", "postmaster@mail.example.org")); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if len(w.told) != c.want {
			t.Errorf("%s: %d told", name, len(w.told))
		}
	}
}

func TestForwardingCanBeOff(t *testing.T) {
	w := newWorld(t)
	m := w.left("bob@example.net")
	r := w.receiver(func(o *receiving.Options) {
		o.Forwards = func(e event.Type, asked *queue.Message) bool { return asked != m || e != event.Bounce }
	})
	if err := r.Receive(t.Context(), request(returns("5.1.1", "550 no", "bob@example.net"), "", bounces(m))); err != nil {
		t.Fatal(err)
	}
	if len(w.told) != 1 || len(w.notices) != 0 {
		t.Errorf("%d told, %d mailed", len(w.told), len(w.notices))
	}
}

func TestMailThatGoesRoundInCirclesEnds(t *testing.T) {
	w := newWorld(t)
	m := w.left("bob@example.net")
	text := strings.Repeat("Received: from a by b\r\n", 51) + returns("5.1.1", "550 no", "bob@example.net")
	err := w.receiver().Receive(t.Context(), request(text, "", bounces(m)))
	if reply := (*mail.Reply)(nil); !errors.As(err, &reply) || reply.Code != 554 || len(w.told) != 0 {
		t.Errorf("got %v", err)
	}
}

// endless gives zeros for as long as it is asked, and counts them.
type endless struct{ left int64 }

func (e *endless) Read(p []byte) (int, error) {
	if e.left == 0 {
		return 0, io.EOF
	}
	n := int(min(int64(len(p)), e.left))
	e.left -= int64(n)
	for i := range p[:n] {
		p[i] = 'x'
	}
	return n, nil
}

func TestLargeMailIsReadToItsEndAndCutOff(t *testing.T) {
	w := newWorld(t)
	m := w.left("bob@example.net")
	tail := &endless{left: 40 << 20}
	q := request("", "", bounces(m))
	q.Content = content{io.MultiReader(strings.NewReader(strings.TrimSuffix(returns("5.1.1", "550 5.1.1 no such user", "bob@example.net"), "--b--\r\n")+
		"--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: hi\r\n\r\n"), tail)}
	if err := w.receiver().Receive(t.Context(), q); err != nil {
		t.Fatal(err)
	}
	if tail.left != 0 || len(w.told) != 1 {
		t.Errorf("%d octets unread, %d told", tail.left, len(w.told))
	}
	q = request("", "eve@example.com", "abuse@mail.example.org")
	q.Content = content{io.MultiReader(strings.NewReader("Subject: much\r\n\r\n"), &endless{left: 20 << 20})}
	err := w.receiver(func(o *receiving.Options) { o.Postmaster = m.To[0] }).Receive(t.Context(), q)
	if reply := (*mail.Reply)(nil); !errors.As(err, &reply) || reply.Code != 552 {
		t.Errorf("got %v", err)
	}
}

// behind stands behind Own.
type behind struct{ carried int }

func (b *behind) Route(_ context.Context, domain string) (*route.Route, error) {
	return &route.Route{Domain: domain, Site: "mx.example.net"}, nil
}

func (b *behind) Carry(context.Context, *route.Route, *delivery.Job) []mail.Outcome {
	b.carried++
	return nil
}

func TestMailToOurselvesNeverTouchesTheNetwork(t *testing.T) {
	w := newWorld(t)
	m := w.left("bob@example.net")
	b := &behind{}
	own := &receiving.Own{Receiver: w.receiver(), Router: b, Carrier: b}
	carry := func(domain string, to ...string) []mail.Outcome {
		rt, err := own.Route(t.Context(), domain)
		if err != nil {
			t.Fatal(err)
		}
		header, body, _ := strings.Cut(returns("5.1.1", "550 no", "bob@example.net"), "\r\n\r\n")
		original := "X: y\r\n\r\n" + body
		return own.Carry(t.Context(), rt, &delivery.Job{To: request("", "", to...).To, Header: []byte(header + "\r\n\r\n"),
			Content: strings.NewReader(original), BodyAt: 8, Size: int64(len(original))})
	}
	if carry("example.net", "x@example.net"); b.carried != 1 {
		t.Error("other mail was not handed on")
	}
	got := carry("mail.example.org", bounces(m), "ann@mail.example.org", "postmaster@mail.example.org")
	if got[0].Result != mail.Delivered || got[1].Result != mail.Failed || got[1].Reply.Code != 550 || len(w.told) != 1 || b.carried != 1 {
		t.Errorf("outcomes %+v, %d told", got, len(w.told))
	}
	w.tellErr = errors.New("disk is away")
	if got := carry("mail.example.org", bounces(m)); got[0].Result != mail.Deferred {
		t.Errorf("with trouble of ours: %+v", got)
	}
}

func FuzzReceive(f *testing.F) {
	w := newWorld(f)
	m := w.left("bob@example.net", "cy@example.com")
	r := w.receiver(func(o *receiving.Options) { o.Postmaster = m.To[0] })
	f.Add(returns("5.1.1", "550 no", "bob@example.net"), true)
	f.Add("From: a@example.net\r\n\r\n"+m.ID.String(), false)
	f.Fuzz(func(t *testing.T, text string, null bool) {
		from := "x@example.net"
		if null {
			from = ""
		}
		for _, to := range []string{bounces(m), "fbl@mail.example.org"} {
			if err := r.Receive(t.Context(), request(text, from, to)); err != nil {
				if reply := (*mail.Reply)(nil); !errors.As(err, &reply) {
					t.Errorf("%v", err)
				}
			}
		}
		for _, fb := range w.told {
			for _, rcpt := range fb.Recipients {
				if m.To[rcpt.N] != rcpt.To {
					t.Errorf("told of %s", rcpt.To)
				}
			}
		}
		w.told = w.told[:0]
	})
}

// read gives the types of a bounce as dispatch reads them.
func read(r event.Recipient) (kind, sub string) {
	v := verdict.Of(&r.Reply, true, r.Host)
	return v.BounceType, v.BounceSubType
}
