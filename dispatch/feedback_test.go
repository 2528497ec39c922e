package dispatch_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sesame-mta/sesame/dispatch"
	"github.com/sesame-mta/sesame/event"
	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/queue"
	"github.com/sesame-mta/sesame/trace"
)

// about gives recipients of feedback, each with a reply.
func about(t *testing.T, r mail.Reply, to ...string) (rs []event.Recipient) {
	t.Helper()
	for _, text := range to {
		p, err := mail.ParseForwardPath(text)
		if err != nil {
			t.Fatal(err)
		}
		rs = append(rs, event.Recipient{To: p, Reply: r, Host: "mx.example.org"})
	}
	return rs
}

func TestLateFeedbackIsToldOnce(t *testing.T) {
	world(t, func(t *testing.T, r *rig) {
		w := &onlooker{}
		r.options.Observe = w.observe
		r.options.Interest = nil
		r.options.Late = func(_ event.Type, m *queue.Message) []string { return []string{"late/" + m.ConfigSet} }
		recorder, err := trace.Open(trace.Options{Dir: t.TempDir(), Keep: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := recorder.Close(); err != nil {
				t.Error(err)
			}
		}()
		r.options.Trace = recorder
		r.begin()
		s := r.message("ann@example.org", "Bob@example.org", "cyd@example.net")
		s.Message.Keep, s.Message.ConfigSet = true, "main"
		id := r.submit(s)
		synctest.Wait()
		if len(r.entries()) != 0 {
			t.Fatalf("not delivered: %v", r.entries())
		}
		w.seen()
		gone := *mail.Refuse(550, 1, 1, "no such user")
		bounce := dispatch.Feedback{
			ID: id, Type: event.Bounce, ReportingMTA: "mx.example.org",
			// A host that changed case, one recipient twice, and a stranger.
			Recipients: about(t, gone, "bob@example.org", "BOB@example.org", "eve@example.org"),
		}
		for range 3 {
			if err := r.Feedback(t.Context(), bounce); err != nil {
				t.Fatal(err)
			}
		}
		complaint := dispatch.Feedback{ID: id, Type: event.Complaint, Recipients: about(t, mail.Reply{}, "cyd@example.net"),
			Report: &event.Report{FeedbackType: "abuse", UserAgent: "loop/1"}, Time: r.queue.Now().Add(-time.Minute)}
		change := dispatch.Feedback{ID: id, Type: event.Subscription, Recipients: about(t, mail.Reply{}, "ann@example.org"),
			Change: &event.Change{Source: "UnsubscribeHeader", New: event.Preferences{UnsubscribeAll: true}}}
		for _, f := range []dispatch.Feedback{complaint, complaint, change} {
			if err := r.Feedback(t.Context(), f); err != nil {
				t.Fatal(err)
			}
		}
		if got, want := r.events(), "Bounce Bob, Complaint cyd, Subscription ann"; got != want {
			t.Errorf("events %s, want %s", got, want)
		}
		e := r.memory.Events()
		if b := e[0]; b.Recipients[0].N != 1 || b.Recipients[0].BounceType != "Permanent" || b.Recipients[0].Class != "no_mailbox" ||
			!b.Recipients[0].Remote || b.ReportingMTA != "mx.example.org" || b.Consumers[0] != "late/main" || !b.Time.Equal(r.queue.Now()) {
			t.Errorf("bounce %+v", b)
		}
		if c := e[1]; c.Report.FeedbackType != "abuse" || !c.Time.Equal(complaint.Time) || c.Recipients[0].BounceType != "" {
			t.Errorf("complaint %+v", c)
		}
		if c := e[2]; !c.Change.New.UnsubscribeAll {
			t.Errorf("subscription %+v", c)
		}
		const want = "000000000001 Bounce Bob PermanentGeneral\n000000000001 Complaint cyd \n000000000001 Subscription ann "
		if got := w.seen(); got != want {
			t.Errorf("observed\n%s\nwant\n%s", got, want)
		}
		r.wantLog("msg=\"bounce came back\" id=" + id.String() + " account=000000000001 from=ann@example.com to=Bob@example.org " +
			"domain=example.org mx=mx.example.org code=550 status=5.1.1 text=\"no such user\"")
		r.wantLog(`msg="complaint came back"`)
		for typ, want := range map[string]float64{"Bounce": 1, "Complaint": 1, "Subscription": 1} {
			if got := r.counted(t, "sesame_dispatch_feedback_total", typ); got != want {
				t.Errorf("%s counted %v times, want %v", typ, got, want)
			}
		}
		r.stop()
		returned := 0
		stories, err := recorder.Find(t.Context(), trace.Query{ID: id})
		if err != nil {
			t.Fatal(err)
		}
		for _, story := range stories {
			for _, rec := range story.Records {
				if rec.Kind == trace.Returned {
					returned++
				}
			}
		}
		if returned != 3 {
			t.Errorf("the trace has %d records of what came back, want 3", returned)
		}
	})
}

func TestEachRecipientBouncesOnceInWhateverCombination(t *testing.T) {
	world(t, func(t *testing.T, r *rig) {
		r.options.Interest = nil
		r.options.Late = func(event.Type, *queue.Message) []string { return []string{"c"} }
		r.begin()
		s := r.message("ann@example.org", "bob@example.org", "cyd@example.org")
		s.Message.Keep = true
		id := r.submit(s)
		synctest.Wait()
		gone, full := *mail.Refuse(550, 1, 1, "no such user"), *mail.Refuse(552, 2, 2, "mailbox full")
		for _, rs := range [][]event.Recipient{
			about(t, gone, "ann@example.org", "bob@example.org"),
			about(t, gone, "bob@example.org", "cyd@example.org"),
			about(t, gone, "cyd@example.org", "ann@example.org"),
			about(t, full, "ann@example.org"), // something else
		} {
			if err := r.Feedback(t.Context(), dispatch.Feedback{ID: id, Type: event.Bounce, Recipients: rs}); err != nil {
				t.Fatal(err)
			}
		}
		if got, want := r.events(), "Bounce ann, Bounce bob, Bounce cyd, Bounce ann"; got != want {
			t.Errorf("events %s, want %s", got, want)
		}
		// With a key of the caller's it is that which counts.
		f := dispatch.Feedback{ID: id, Type: event.Complaint, Key: strings.Repeat("k", 100), Recipients: about(t, mail.Reply{}, "ann@example.org", "bob@example.org")}
		for _, kind := range []string{"abuse", "fraud"} {
			f.Report = &event.Report{FeedbackType: kind}
			if err := r.Feedback(t.Context(), f); err != nil {
				t.Fatal(err)
			}
		}
		if got, want := r.events(), "Bounce ann, Bounce bob, Bounce cyd, Bounce ann, Complaint ann bob"; got != want {
			t.Errorf("events %s, want %s", got, want)
		}
	})
}

func TestFeedbackThatFitsNothingIsRefused(t *testing.T) {
	world(t, func(t *testing.T, r *rig) {
		r.options.Late = func(event.Type, *queue.Message) []string { return []string{"c"} }
		r.options.Interest = nil
		r.begin()
		plain := r.send("ann@example.org") // not kept
		s := r.message("ann@example.org")
		s.Message.Keep = true
		kept := r.submit(s)
		synctest.Wait()
		gone := *mail.Refuse(550, 1, 1, "no such user")
		for _, test := range []struct {
			name string
			f    dispatch.Feedback
			want error
		}{
			{"a message that is final and not kept", dispatch.Feedback{ID: plain, Type: event.Bounce, Recipients: about(t, gone, "ann@example.org")}, queue.ErrNotFound},
			{"an id of nobody", dispatch.Feedback{ID: mail.ID{1}, Type: event.Bounce, Recipients: about(t, gone, "ann@example.org")}, queue.ErrNotFound},
			{"another recipient", dispatch.Feedback{ID: kept, Type: event.Bounce, Recipients: about(t, gone, "eve@example.org")}, dispatch.ErrNoRecipient},
			{"no recipient", dispatch.Feedback{ID: kept, Type: event.Complaint}, dispatch.ErrNoRecipient},
		} {
			if err := r.Feedback(t.Context(), test.f); !errors.Is(err, test.want) {
				t.Errorf("%s: %v, want %v", test.name, err, test.want)
			}
		}
		if err := r.Feedback(t.Context(), dispatch.Feedback{ID: kept, Type: event.Send, Recipients: about(t, gone, "ann@example.org")}); err == nil {
			t.Error("a Send came back")
		}
		if got := r.events(); got != "" {
			t.Errorf("events %s", got)
		}
	})
}

func TestFeedbackThatWasNotKeptIsToldAgain(t *testing.T) {
	world(t, func(t *testing.T, r *rig) {
		w := &onlooker{}
		r.options.Observe = w.observe
		r.options.Interest = nil
		r.options.Late = func(event.Type, *queue.Message) []string { return []string{"c"} }
		away := false
		r.spool = &reluctant{Spool: r.memory, fail: func() error {
			if away {
				return errors.New("disk is away")
			}
			return nil
		}}
		r.begin()
		s := r.message("ann@example.org")
		s.Message.Keep = true
		id := r.submit(s)
		synctest.Wait()
		w.seen()
		f := dispatch.Feedback{ID: id, Type: event.Complaint, Recipients: about(t, mail.Reply{}, "ann@example.org")}
		away = true
		if err := r.Feedback(t.Context(), f); err == nil {
			t.Fatal("feedback on a disk that is away")
		}
		if got := w.seen() + r.events(); got != "" {
			t.Errorf("told %s", got)
		}
		away = false
		if err := r.Feedback(t.Context(), f); err != nil || r.events() != "Complaint ann" || w.seen() == "" {
			t.Errorf("the second time: %v, events %s", err, r.events())
		}
	})
}

// counted gives a counter with one label.
func (r *rig) counted(t *testing.T, name, label string) float64 {
	t.Helper()
	families, err := r.reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == name && m.GetLabel()[0].GetValue() == label {
				return m.GetCounter().GetValue()
			}
		}
	}
	t.Errorf("no metric %s of %s", name, label)
	return 0
}
