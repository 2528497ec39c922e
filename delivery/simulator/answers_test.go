package simulator_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	netmail "net/mail"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sesame-mta/sesame/delivery/simulator"
	"github.com/sesame-mta/sesame/event"
	"github.com/sesame-mta/sesame/event/forward"
	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/mail/report"
)

// office is all that Answers work with, in memory.
type office struct {
	mu         sync.Mutex
	records    []event.Record
	changed    chan struct{}
	complaints []string
	notices    map[mail.ID]event.Notice
	orig       forward.Original
	origErr    error
	fails      int // of what is done, so many times
}

func (o *office) add(e event.Event) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.records = append(o.records, event.Record{Seq: uint64(len(o.records) + 1), Event: e})
	o.changed <- struct{}{}
}

func (o *office) Read(_ context.Context, consumer string, _ uint64, limit int) ([]event.Record, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if consumer != simulator.Consumer {
		return nil, errors.New("another's")
	}
	return slices.Clone(o.records[:min(limit, len(o.records))]), nil
}

func (o *office) Ack(_ context.Context, _ string, seqs ...uint64) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.records = slices.DeleteFunc(o.records, func(r event.Record) bool { return slices.Contains(seqs, r.Seq) })
	return nil
}

func (o *office) Consumers(context.Context) ([]string, error) { return nil, nil }
func (o *office) Changed(string) <-chan struct{}              { return o.changed }

func (o *office) Original(context.Context, mail.ID) (forward.Original, error) {
	return o.orig, o.origErr
}

func (o *office) fail() error {
	if o.fails--; o.fails >= 0 {
		return errors.New("disk is away")
	}
	return nil
}

func (o *office) complain(_ context.Context, _ mail.ID, to []mail.ForwardPath, r event.Report) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if err := o.fail(); err != nil {
		return err
	}
	o.complaints = append(o.complaints, fmt.Sprint(to, " ", r.FeedbackType, " by ", r.UserAgent, " ", r.Arrival.UnixMilli()))
	return nil
}

func (o *office) SubmitNotice(_ context.Context, n event.Notice) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if err := o.fail(); err != nil {
		return err
	}
	if _, ok := o.notices[n.ID]; !ok {
		o.notices[n.ID] = n
	}
	return nil
}

// sent gives the notices and what waits.
func (o *office) sent() (list []event.Notice, waiting int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, n := range o.notices {
		list = append(list, n)
	}
	return list, len(o.records)
}

// said gives the complaints.
func (o *office) said() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.complaints)
}

// open gives an office at work until the bubble ends.
func open(t *testing.T) (o *office, id mail.ID) {
	t.Helper()
	minter, err := mail.NewMinter([]byte("0123456789abcdef"), 0, 1)
	if err != nil {
		t.Fatal(err)
	}
	from, err := mail.ParseReversePath("ann@example.org")
	if err != nil {
		t.Fatal(err)
	}
	o = &office{changed: make(chan struct{}, 10), notices: make(map[mail.ID]event.Notice)}
	o.orig = forward.Original{From: from, MessageID: "<m@example.org>", Accepted: time.Now(),
		Header: []byte("From: ann@example.org\r\nSubject: spring sale\r\nMessage-ID: <m@example.org>\r\n\r\n")}
	a := simulator.NewAnswers(simulator.AnswersOptions{
		Domains: simulator.Domains{simulator.AmazonDomain, "simulator.example.net"}, Outbox: o, Messages: o,
		Complain: o.complain, Submit: o, Minter: minter, Domain: "example.net", Own: "simulator.example.net",
		Keys: func() []string { return []string{"key"} },
	})
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := a.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { cancel(); wg.Wait() })
	return o, minter.New(time.Now())
}

func delivered(t *testing.T, id mail.ID, rcpts ...string) event.Event {
	t.Helper()
	e := event.Event{Type: event.Delivery, Message: id, Account: "000000000001", Time: time.Now()}
	for n, text := range rcpts {
		e.Recipients = append(e.Recipients, event.Recipient{N: n, To: to(t, text)})
	}
	return e
}

func TestAComplainerComplainsAfterFourSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, id := open(t)
		e := delivered(t, id, "complaint+a@simulator.amazonses.com", "bob@example.org", "Complaint@simulator.example.net", "success@simulator.amazonses.com")
		o.add(e)
		time.Sleep(4*time.Second - time.Millisecond)
		synctest.Wait()
		if list, waiting := o.sent(); len(list)+len(o.said()) != 0 || waiting != 1 {
			t.Fatalf("before its time: %d mails, %v", len(list), o.said())
		}
		time.Sleep(200 * time.Millisecond)
		synctest.Wait()
		want := fmt.Sprintf("[complaint+a@simulator.amazonses.com Complaint@simulator.example.net] abuse by sesame Mailbox Simulator %d",
			e.Time.Add(4*time.Second).UnixMilli())
		list, waiting := o.sent()
		if !slices.Equal(o.said(), []string{want}) || waiting != 0 || len(list) != 1 {
			t.Fatalf("complaints %v, want %s; %d mails, %d events wait", o.said(), want, len(list), waiting)
		}
		n := list[0]
		in, err := report.Read(append(bytes.Clone(n.Header), n.Body...))
		if err != nil || in.Kind != report.Complaint || in.Feedback.Type != "abuse" || len(in.Feedback.To) != 2 ||
			in.Original.MessageID != "<m@example.org>" || in.Subject != "Fw: spring sale" {
			t.Errorf("the mail reads as %+v, %v", in, err)
		}
		if n.To.String() != "ann@example.org" || n.About != id || n.Account != "000000000001" || len(n.Keys) != 1 {
			t.Errorf("notice %+v", n)
		}
	})
}

func TestSomebodyAwayAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, id := open(t)
		o.add(delivered(t, id, "ooto+label@simulator.amazonses.com"))
		time.Sleep(5 * time.Second)
		synctest.Wait()
		list, waiting := o.sent()
		if len(list) != 1 || waiting != 0 || len(o.said()) != 0 {
			t.Fatalf("%d mails, %d events wait, complaints %v", len(list), waiting, o.said())
		}
		whole := append(bytes.Clone(list[0].Header), list[0].Body...)
		m, err := netmail.ReadMessage(bytes.NewReader(whole))
		if err != nil {
			t.Fatal(err)
		}
		for name, want := range map[string]string{
			"From": "ooto+label@simulator.example.net", "To": "ann@example.org", "Subject": "Auto: spring sale",
			"In-Reply-To": "<m@example.org>", "References": "<m@example.org>", "Auto-Submitted": "auto-replied",
		} {
			if got := m.Header.Get(name); got != want {
				t.Errorf("%s: %q, want %q", name, got, want)
			}
		}
		if text, err := io.ReadAll(m.Body); err != nil || len(text) == 0 || strings.Contains(string(whole), "amazonses") {
			t.Errorf("answer %q, %v", whole, err)
		}
		if in, err := report.Read(whole); err != nil || in.Kind != report.AutoReply {
			t.Errorf("it reads as %+v, %v", in, err)
		}
	})
}

func TestNobodyAnswersWhatMayNotBeAnswered(t *testing.T) {
	for name, change := range map[string]func(o *office){
		"a null reverse-path":  func(o *office) { o.orig.From = mail.ReversePath{} },
		"a notice of our own":  func(o *office) { o.orig.Notice = true },
		"an automatic message": func(o *office) { o.orig.Header = []byte("Auto-Submitted: auto-generated; x=y\r\n\r\n") },
		"a message that went":  func(o *office) { o.origErr = forward.ErrGone },
		"a damaged message":    func(o *office) { o.origErr = forward.ErrDamaged },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o, id := open(t)
				change(o)
				o.add(delivered(t, id, "ooto@simulator.amazonses.com"))
				time.Sleep(time.Minute)
				synctest.Wait()
				if list, waiting := o.sent(); len(list) != 0 || waiting != 0 {
					t.Errorf("%d mails, %d events wait", len(list), waiting)
				}
			})
		})
	}
}

func TestAnswersThatFailAreMadeAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, id := open(t)
		o.fails = 3
		o.add(delivered(t, id, "ooto@simulator.amazonses.com", "complaint@simulator.amazonses.com"))
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if _, waiting := o.sent(); waiting != 1 {
			t.Fatal("the event went before its answers were made")
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if list, waiting := o.sent(); len(list) != 2 || len(o.said()) == 0 || waiting != 0 {
			t.Errorf("%d mails, %v, %d events wait", len(list), o.said(), waiting)
		}
	})
}

func TestOnlyMailboxesWithMoreToSayAreWatched(t *testing.T) {
	d := simulator.Domains{simulator.AmazonDomain}
	for _, tt := range []struct {
		t    event.Type
		to   string
		want bool
	}{
		{event.Delivery, "ooto+x@simulator.amazonses.com", true},
		{event.Delivery, "COMPLAINT@simulator.amazonses.com", true},
		{event.Delivery, "success@simulator.amazonses.com", false},
		{event.Delivery, "complaint@example.org", false},
		{event.Bounce, "complaint@simulator.amazonses.com", false},
	} {
		if got := d.Interest(tt.t, []mail.ForwardPath{to(t, "x@example.org"), to(t, tt.to)}); got != tt.want {
			t.Errorf("%s to %s is watched: %v", tt.t, tt.to, got)
		}
	}
}
