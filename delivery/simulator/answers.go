package simulator

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/sesame-mta/sesame/event"
	"github.com/sesame-mta/sesame/event/forward"
	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/mail/report"
)

// Consumer is the name under which the outbox keeps events for Answers.
const Consumer = "simulator"

// UserAgent is who reports the complaints.
const UserAgent = "sesame Mailbox Simulator"

// after is how long after delivery a mailbox complains (spec section 9).
const after = 4 * time.Second

// readLimit bounds the events in memory; more wait in the outbox.
const readLimit = 500

// breath is the least time between two passes, putOff that after one that failed.
const (
	breath = 100 * time.Millisecond
	putOff = 10 * time.Second
)

// Answers is what the mailboxes say after they took a message: a complaint, an
// automatic answer. It is a consumer of the outbox, so that a crash loses none.
type Answers struct{ o AnswersOptions }

// AnswersOptions is what Answers need; Log may be nil.
type AnswersOptions struct {
	Domains  Domains
	Outbox   event.Outbox
	Messages forward.Messages
	// Complain tells of a complaint, once however often it is called.
	Complain func(ctx context.Context, id mail.ID, to []mail.ForwardPath, r event.Report) error
	// Forwards reports whether the sender of a message wants complaints by mail; nil
	// is always.
	Forwards func(ctx context.Context, id mail.ID) bool
	Submit   event.Submitter
	Minter   *mail.Minter
	Domain   string // of our own mail
	// Own is the simulator's domain under which automatic answers leave.
	Own  string
	Keys func() []string // DKIM keys of Domain
	Log  *slog.Logger
}

// NewAnswers makes them.
func NewAnswers(o AnswersOptions) *Answers {
	o.Log = cmp.Or(o.Log, slog.New(slog.DiscardHandler))
	return &Answers{o}
}

// Interest says whether an event about recipients is asked for.
func (d Domains) Interest(t event.Type, to []mail.ForwardPath) bool {
	if t != event.Delivery {
		return false
	}
	for _, p := range to {
		if d.Contains(p.Domain()) && answers(mailbox(p.Address)) {
			return true
		}
	}
	return false
}

// answers reports whether a mailbox says more than its host.
func answers(mailbox string) bool { return mailbox == complainer || mailbox == away }

// Run works until ctx is cancelled. What cannot be done now is tried again; an
// event is acknowledged when what it leads to is on stable storage.
func (a *Answers) Run(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-a.o.Outbox.Changed(Consumer):
		case <-timer.C:
		}
		wait, err := a.pass(ctx)
		if err != nil && ctx.Err() == nil {
			a.o.Log.Warn("answers of the simulator put off", "err", err)
			wait = putOff
		}
		timer.Reset(max(wait, breath))
	}
}

// forever is a wait that only an event ends.
const forever = 24 * time.Hour

// pass does what is due and gives the time until more is. What fails for one
// message holds up no other; the first error is returned.
func (a *Answers) pass(ctx context.Context) (wait time.Duration, first error) {
	records, err := a.o.Outbox.Read(ctx, Consumer, 0, readLimit)
	if err != nil {
		return 0, fmt.Errorf("read outbox: %w", err)
	}
	wait = forever
	var done []uint64
	for _, r := range records {
		// Under a clock that was set back nothing tells how long.
		if left := time.Until(r.Event.Time.Add(after)); left > 0 && left <= after {
			wait = min(wait, left)
			continue
		}
		if err := a.answer(ctx, &r.Event); err != nil {
			first = cmp.Or(first, err)
			continue
		}
		done = append(done, r.Seq)
	}
	if len(done) > 0 {
		if err := a.o.Outbox.Ack(ctx, Consumer, done...); err != nil {
			return 0, fmt.Errorf("acknowledge: %w", err)
		}
	}
	if len(done) == readLimit {
		wait = 0
	}
	return wait, first
}

// answer does all that one delivery leads to.
func (a *Answers) answer(ctx context.Context, e *event.Event) error {
	var complained, out []mail.ForwardPath
	for _, r := range e.Recipients {
		if !a.o.Domains.Contains(r.To.Domain()) {
			continue
		}
		switch mailbox(r.To.Address) {
		case complainer:
			complained = append(complained, r.To)
		case away:
			out = append(out, r.To)
		}
	}
	orig, err := a.o.Messages.Original(ctx, e.Message)
	switch {
	case errors.Is(err, forward.ErrGone), errors.Is(err, forward.ErrDamaged):
		a.o.Log.Warn("message that the simulator would answer is lost", "id", e.Message, "err", err)
		return nil
	case err != nil:
		return fmt.Errorf("load %s: %w", e.Message, err)
	}
	if len(complained) > 0 {
		if err := a.complain(ctx, e, &orig, complained); err != nil {
			return err
		}
	}
	// An automatic answer is not answered, nor is mail without a reverse-path (RFC
	// 3834 section 2).
	if orig.From.Null() || orig.Notice || submitted(orig.Header) {
		return nil
	}
	for _, p := range out {
		n := a.reply(e, &orig, p)
		if err := a.o.Submit.SubmitNotice(ctx, n); err != nil {
			return fmt.Errorf("submit automatic answer: %w", err)
		}
	}
	return nil
}

// complain makes the event, and the mail that tells of it.
func (a *Answers) complain(ctx context.Context, e *event.Event, orig *forward.Original, to []mail.ForwardPath) error {
	at := e.Time.Add(after)
	said := event.Report{UserAgent: UserAgent, FeedbackType: "abuse", Arrival: at}
	if err := a.o.Complain(ctx, e.Message, to, said); err != nil {
		return fmt.Errorf("complain: %w", err)
	}
	if orig.From.Null() || orig.Notice || a.o.Forwards != nil && !a.o.Forwards(ctx, e.Message) {
		return nil
	}
	arf := report.ARF{
		ID: a.o.Minter.Derive(e.Message, e.Time, "complaint"), Date: at, Domain: a.o.Domain,
		To:       mail.ForwardPath{Address: orig.From.Address},
		Feedback: report.Feedback{Type: said.FeedbackType, UserAgent: said.UserAgent, Arrival: at},
		MailFrom: orig.From, Recipients: to, Reported: orig.From.Domain(),
		About: e.Message, Arrival: orig.Accepted, MessageID: orig.MessageID, Subject: field(orig.Header, "Subject"),
		Header: orig.Header,
	}
	header, body := arf.Compose()
	n := event.Notice{ID: arf.ID, About: e.Message, Account: e.Account, To: arf.To, Header: header, Body: body, Keys: a.keys()}
	if err := a.o.Submit.SubmitNotice(ctx, n); err != nil {
		return fmt.Errorf("submit complaint: %w", err)
	}
	return nil
}

func (a *Answers) keys() []string {
	if a.o.Keys == nil {
		return nil
	}
	return a.o.Keys()
}
