package dispatch_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/sesame-mta/sesame/delivery"
	"github.com/sesame-mta/sesame/delivery/egress"
	"github.com/sesame-mta/sesame/delivery/route"
	"github.com/sesame-mta/sesame/dispatch"
	"github.com/sesame-mta/sesame/event"
	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/queue"
	"github.com/sesame-mta/sesame/queue/queuetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// rig is a dispatcher with a queue in memory and the world as functions.
type rig struct {
	t      testing.TB
	spool  queue.Spool
	memory *queuetest.Spool
	queue  *queue.Queue
	*dispatch.Dispatcher
	minter *mail.Minter
	log    lines
	reg    *prometheus.Registry
	runErr error

	// The world. Set before begin.
	carry   func(ctx context.Context, r *route.Route, j *delivery.Job) []mail.Outcome
	resolve func(ctx context.Context, domain string) (*route.Route, error)
	sign    func(keys []string, header, body []byte) ([]byte, error)
	options dispatch.Options
	total   int // of the queue's window

	stop func() // ends Run and waits for it

	mu       sync.Mutex
	carried  []string // domain of each attempt
	resolved []string
}

// lines collects a log.
type lines struct {
	mu   sync.Mutex
	b    bytes.Buffer
	drop bool
}

// Write implements io.Writer.
func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.drop {
		return len(p), nil
	}
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func newRig(t testing.TB) *rig {
	t.Helper()
	minter, err := mail.NewMinter([]byte("0123456789abcdef"), 0, 1)
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, memory: &queuetest.Spool{}, minter: minter, reg: prometheus.NewRegistry()}
	r.spool = r.memory
	r.carry = func(_ context.Context, _ *route.Route, j *delivery.Job) []mail.Outcome { return all(j, accepted()) }
	r.resolve = func(_ context.Context, domain string) (*route.Route, error) {
		return &route.Route{Domain: domain, Site: "mx." + domain, Expires: time.Now().Add(time.Hour)}, nil
	}
	r.sign = func([]string, []byte, []byte) ([]byte, error) { return nil, nil }
	r.options.Interest = func(event.Type, *queue.Message) []string { return []string{"test"} }
	return r
}

// begin starts the queue and the dispatcher; both end with the test.
func (r *rig) begin() {
	r.t.Helper()
	r.queue = queue.New(queue.Options{
		Spool: r.spool, Total: r.total,
		Ready:    func(s string) { r.Ready(s) },
		Unrouted: func(s string) { r.Unrouted(s) },
	})
	o := r.options
	o.Queue, o.Spool, o.Router, o.Carrier, o.Signer = r.queue, r.spool, router{r}, carrier{r}, signer{r}
	if o.Limiter == nil {
		o.Limiter = egress.NewLimiter(egress.LimiterOptions{})
	}
	o.Log = slog.New(slog.NewTextHandler(&r.log, nil))
	o.Metrics = r.reg
	r.Dispatcher = dispatch.New(o)
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := r.queue.Run(ctx); err != nil {
			r.t.Errorf("queue: %v", err)
		}
	})
	wg.Go(func() { r.runErr = r.Run(ctx) })
	r.stop = sync.OnceFunc(func() { cancel(); wg.Wait() })
	r.t.Cleanup(r.stop)
}

type router struct{ r *rig }

// Route implements route.Router.
func (x router) Route(ctx context.Context, domain string) (*route.Route, error) {
	x.r.mu.Lock()
	x.r.resolved = append(x.r.resolved, domain)
	x.r.mu.Unlock()
	return x.r.resolve(ctx, domain)
}

type carrier struct{ r *rig }

// Carry implements delivery.Carrier.
func (x carrier) Carry(ctx context.Context, rt *route.Route, j *delivery.Job) []mail.Outcome {
	x.r.mu.Lock()
	x.r.carried = append(x.r.carried, rt.Domain)
	x.r.mu.Unlock()
	return x.r.carry(ctx, rt, j)
}

type signer struct{ r *rig }

// Sign implements dispatch.Signer.
func (x signer) Sign(_ context.Context, _ string, keys []string, header []byte, body io.Reader, _ time.Time) ([]byte, error) {
	b, err := io.ReadAll(body)
	if err != nil {
		return nil, err
	}
	return x.r.sign(keys, header, b)
}

func (r *rig) attempts() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.carried)
}

const account = "000000000001"

const original = "Subject: hello\r\nBcc: x@example.org\r\n\r\n"
const body = "Hello.\r\n"

func (r *rig) message(to ...string) queue.Submission {
	r.t.Helper()
	now := r.queue.Now()
	from, err := mail.ParseReversePath("ann@example.com")
	if err != nil {
		r.t.Fatal(err)
	}
	s := queue.Submission{
		Message: queue.Message{
			ID: r.minter.New(now), Account: account, From: from, Accepted: now,
			Size: int64(len(original + body)), HeaderSize: int64(len(original)),
		},
		Due:    now,
		MaxAge: 4 * 24 * time.Hour,
	}
	for _, a := range to {
		path, err := mail.ParseForwardPath(a)
		if err != nil {
			r.t.Fatal(err)
		}
		s.Message.To = append(s.Message.To, path)
	}
	return s
}

func (r *rig) submit(s queue.Submission) mail.ID {
	r.t.Helper()
	d, err := r.spool.Draft(context.Background())
	if err != nil {
		r.t.Fatal(err)
	}
	if _, err := io.WriteString(d, original+body); err != nil {
		r.t.Fatal(err)
	}
	s.Content = d
	id, err := r.queue.Append(context.Background(), s)
	if err != nil {
		r.t.Fatal(err)
	}
	return id
}

func (r *rig) send(to ...string) mail.ID {
	r.t.Helper()
	return r.submit(r.message(to...))
}

// entries gives what is left of all messages.
func (r *rig) entries() []queue.Entry {
	r.t.Helper()
	es, err := r.queue.Find(context.Background(), queue.Filter{Limit: 1000})
	if err != nil {
		r.t.Fatal(err)
	}
	return es
}

// events gives the type of each event and its recipients, in order.
func (r *rig) events() string {
	var out []string
	for _, e := range r.memory.Events() {
		s := e.Type.String()
		for _, x := range e.Recipients {
			s += " " + x.To.Local()
		}
		out = append(out, s)
	}
	return strings.Join(out, ", ")
}

func (r *rig) wantLog(want string) {
	r.t.Helper()
	if !strings.Contains(r.log.String(), want) {
		r.t.Errorf("log has not %q:\n%s", want, r.log.String())
	}
}

func all(j *delivery.Job, o mail.Outcome) []mail.Outcome {
	out := make([]mail.Outcome, len(j.To))
	for i := range out {
		out[i] = o
	}
	return out
}

func accepted() mail.Outcome {
	return mail.Outcome{
		Result: mail.Delivered, Remote: true, Host: "mx.example.org", Addr: "192.0.2.1:25", Dur: time.Second,
		Reply: mail.Reply{Code: 250, Status: mail.Status{Class: 2}, Text: "queued"},
	}
}

func refused(code, subject, detail int, text string) mail.Outcome {
	o := accepted()
	o.Reply = *mail.Refuse(code, subject, detail, text)
	o.Result = mail.Failed
	if code < 500 {
		o.Result = mail.Deferred
	}
	return o
}

func unreachable() mail.Outcome {
	return mail.Outcome{Result: mail.Deferred, Reply: *mail.Refuse(421, 4, 1, "Failed to establish connection")}
}

// world runs f in a bubble of time of its own, with a rig that has not begun.
func world(t *testing.T, f func(t *testing.T, r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		f(t, r)
		if r.stop != nil {
			r.stop()
		}
	})
}

func TestMessageLeavesEditedAndSigned(t *testing.T) {
	world(t, func(t *testing.T, r *rig) {
		var got delivery.Job
		var left string
		r.sign = func(keys []string, header, b []byte) ([]byte, error) {
			if want := "Received: by us\r\nSubject: hello\r\n\r\n"; string(header) != want || string(b) != body {
				t.Errorf("signed %q %q", header, b)
			}
			return []byte("DKIM-Signature: " + strings.Join(keys, "+") + "\r\n"), nil
		}
		r.carry = func(_ context.Context, _ *route.Route, j *delivery.Job) []mail.Outcome {
			got = *j
			b, err := io.ReadAll(io.NewSectionReader(j.Content, j.BodyAt, j.Size-j.BodyAt))
			if err != nil {
				t.Error(err)
			}
			left = string(j.Header) + string(b)
			return all(j, accepted())
		}
		r.begin()
		s := r.message("bob@example.org", "bea@example.org")
		s.Message.Keys = []string{"rsa", "ed"}
		s.Message.EightBit, s.Message.RequireTLS = true, true
		s.Message.Edit.Prefix = []byte("Received: by us\r\n")
		at := uint32(strings.Index(original, "Bcc"))
		s.Message.Edit.Drop = append(s.Message.Edit.Drop, struct{ Off, Len uint32 }{at, uint32(len("Bcc: x@example.org\r\n"))})
		id := r.submit(s)
		synctest.Wait()
		if want := "DKIM-Signature: rsa+ed\r\nReceived: by us\r\nSubject: hello\r\n\r\nHello.\r\n"; left != want {
			t.Errorf("left %q, want %q", left, want)
		}
		if got.ID != id || got.Account != account || got.From != s.Message.From || len(got.To) != 2 ||
			!got.EightBit || !got.RequireTLS || got.Octets() != int64(len(left)) {
			t.Errorf("job = %+v", got)
		}
		if len(r.entries()) != 0 || r.events() != "Delivery bob bea" {
			t.Errorf("left %v, events %q", r.entries(), r.events())
		}
		r.wantLog(`msg=delivered id=` + id.String() + ` account=000000000001 from=ann@example.com to=bob@example.org ` +
			`domain=example.org mx=mx.example.org source="" attempt=1 code=250 status=2.0.0 text=queued dur=1s`)
	})
}

func TestOneRecipientDoesNotTouchTheOthers(t *testing.T) {
	world(t, func(t *testing.T, r *rig) {
		var mu sync.Mutex
		tries := make(map[string]int)
		r.carry = func(_ context.Context, _ *route.Route, j *delivery.Job) []mail.Outcome {
			mu.Lock()
			defer mu.Unlock()
			var out []mail.Outcome
			for _, to := range j.To {
				tries[to.Local()]++
				switch to.Local() {
				case "gone":
					out = append(out, refused(550, 1, 1, "No such user"))
				case "full":
					out = append(out, refused(452, 2, 2, "Mailbox full"))
				default:
					out = append(out, accepted())
				}
			}
			return out
		}
		r.begin()
		r.send("well@example.org", "gone@example.org", "full@example.org", "else@example.net")
		synctest.Wait()
		es := r.entries()
		if len(es) != 1 || es[0].To.Local() != "full" {
			t.Fatalf("entries = %+v", es)
		}
		e := es[0]
		if e.Attempts != 1 || e.Last.Code != 452 || e.Last.Status.String() != "4.2.2" || e.LastHost != "mx.example.org" {
			t.Errorf("entry = %+v", e)
		}
		for _, want := range []string{"Delivery well, DeliveryDelay full, Bounce gone", "Delivery else"} {
			if !strings.Contains(r.events(), want) {
				t.Errorf("events = %q, want %q", r.events(), want)
			}
		}
		r.wantLog(`msg="delivery deferred"`)
		r.wantLog(`msg="delivery failed"`)
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		if tries["full"] != 2 || tries["well"] != 1 || tries["gone"] != 1 {
			t.Errorf("tries = %v", tries)
		}
	})
}

func TestRetriesFollowTheScheduleUntilTheMessageExpires(t *testing.T) {
	world(t, func(t *testing.T, r *rig) {
		var at []time.Duration
		start := time.Now()
		r.options.Retry = []time.Duration{time.Minute, 10 * time.Minute, time.Hour}
		r.carry = func(_ context.Context, _ *route.Route, j *delivery.Job) []mail.Outcome {
			at = append(at, time.Since(start))
			return all(j, refused(451, 3, 2, "Not now"))
		}
		r.begin()
		s := r.message("bob@example.org")
		s.MaxAge = 14 * time.Hour
		r.submit(s)
		time.Sleep(15 * time.Hour)
		synctest.Wait()
		want := time.Duration(0)
		for i, got := range at {
			if i == len(at)-1 {
				break
			}
			if slack := want / 5; got < want-slack || got > want+slack {
				t.Errorf("attempt %d after %v, want about %v", i+1, got, want)
			}
			want = got + r.options.Retry[min(i, 2)]
		}
		if last := at[len(at)-1]; last != 14*time.Hour {
			t.Errorf("last attempt after %v, want 14h", last)
		}
		if len(r.entries()) != 0 {
			t.Fatal("not given up")
		}
		evs := r.memory.Events()
		b := evs[len(evs)-1]
		x := b.Recipients[0]
		if got, want := x.Reply.String(), "550 4.4.7 Message expired: unable to deliver in 840 minutes.<451 4.3.2 Not now>"; b.Type != event.Bounce || got != want {
			t.Errorf("%v %q, want %q", b.Type, got, want)
		}
		if x.Last.Code != 451 || x.Remote {
			t.Errorf("recipient = %+v", x)
		}
		r.wantLog(`status=4.4.7 text="Message expired`)
	})
}

func TestLongPausesAreMeant(t *testing.T) {
	world(t, func(t *testing.T, r *rig) {
		r.options.Retry = []time.Duration{72 * time.Hour}
		r.carry = func(_ context.Context, _ *route.Route, j *delivery.Job) []mail.Outcome {
			return all(j, refused(451, 3, 2, "Not now"))
		}
		r.begin()
		r.send("bob@example.org")
		time.Sleep(60 * time.Hour)
		synctest.Wait()
		if n := r.attempts(); n != 1 {
			t.Errorf("%d attempts in 60 hours, want 1", n)
		}
	})
}

func TestSiteThatIsDownIsProbedAndItsExpiredMailGivenUp(t *testing.T) {
	world(t, func(t *testing.T, r *rig) {
		var down atomic.Bool
		down.Store(true)
		r.carry = func(_ context.Context, _ *route.Route, j *delivery.Job) []mail.Outcome {
			time.Sleep(time.Second)
			if down.Load() {
				return all(j, unreachable())
			}
			return all(j, accepted())
		}
		r.begin()
		for i := range 300 {
			s := r.message(fmt.Sprintf("u%d@example.org", i))
			if i >= 100 {
				s.MaxAge = time.Hour
			}
			r.submit(s)
		}
		time.Sleep(50 * time.Minute)
		synctest.Wait()
		if n := r.attempts(); n > 20 {
			t.Errorf("%d attempts at a dead site in an hour", n)
		}
		untried := 0
		for _, e := range r.entries() {
			if e.Attempts == 0 {
				untried++
			}
		}
		if untried < 280 {
			t.Errorf("%d entries were left untried, want nearly all", untried)
		}
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		if n := len(r.entries()); n != 100 {
			t.Errorf("%d entries left, want the 100 that have time", n)
		}
		if !strings.Contains(r.log.String(), "unable to deliver in 60 minutes.<421 4.4.1 Failed to establish connection>") {
			t.Error("no expiry in the log")
		}
		down.Store(false)
		time.Sleep(time.Hour)
		synctest.Wait()
		if n := len(r.entries()); n != 0 {
			t.Errorf("%d entries left after the site came back", n)
		}
	})
}

func TestDeadDomainDelaysNobody(t *testing.T) {
	world(t, func(t *testing.T, r *rig) {
		r.options.Concurrency = 50
		r.carry = func(_ context.Context, rt *route.Route, j *delivery.Job) []mail.Outcome {
			if rt.Domain == "dead.example" {
				time.Sleep(30 * time.Second) // a connection that times out
				return all(j, unreachable())
			}
			time.Sleep(10 * time.Millisecond)
			return all(j, accepted())
		}
		r.begin()
		for i := range 100_000 {
			r.send(fmt.Sprintf("u%d@dead.example", i))
		}
		for round := range 50 {
			start := time.Now()
			r.send(fmt.Sprintf("v%d@example.org", round))
			for r.memory.Depth().Recipients != 100_000 {
				time.Sleep(time.Millisecond)
				synctest.Wait()
				if d := time.Since(start); d > time.Second {
					t.Fatalf("round %d: delayed by %v", round, d)
				}
			}
			time.Sleep(10 * time.Second)
		}
	})
}

func TestManyDeadDomainsDoNotStopTheLiving(t *testing.T) {
	world(t, func(t *testing.T, r *rig) {
		r.options.Concurrency = 50
		r.carry = func(_ context.Context, rt *route.Route, j *delivery.Job) []mail.Outcome {
			if strings.HasPrefix(rt.Domain, "dead") {
				time.Sleep(5 * time.Minute)
				return all(j, unreachable())
			}
			time.Sleep(10 * time.Millisecond)
			return all(j, accepted())
		}
		r.begin()
		r.send("first@example.org")
		time.Sleep(time.Second)
		const n = 3000
		for i := range n {
			r.send(fmt.Sprintf("u@dead%d.example", i%300))
		}
		for range 20 {
			r.send("next@example.org")
			time.Sleep(time.Second)
			synctest.Wait()
			if left := r.memory.Depth().Recipients; left != n {
				t.Fatalf("%d in the queue after a second, want the %d dead", left, n)
			}
			time.Sleep(20 * time.Second)
		}
		if got := r.attempts() - 21; got < 40 {
			t.Errorf("%d attempts at dead domains, want the other places in use", got)
		}
	})
}

func TestOneAccountDoesNotDelayAnotherAtTheSameSite(t *testing.T) {
	world(t, func(t *testing.T, r *rig) {
		start := time.Now()
		var other atomic.Int64
		r.carry = func(_ context.Context, _ *route.Route, j *delivery.Job) []mail.Outcome {
			time.Sleep(100 * time.Millisecond)
			if j.Account != account {
				other.Store(int64(time.Since(start)))
			}
			return all(j, accepted())
		}
		r.begin()
		for i := range 20_000 {
			r.send(fmt.Sprintf("u%d@example.org", i))
		}
		s := r.message("single@example.org")
		s.Message.Account = "000000000002"
		began := time.Since(start)
		r.submit(s)
		time.Sleep(time.Second)
		if took := time.Duration(other.Load()) - began; took < 0 || took > 250*time.Millisecond {
			t.Errorf("delivered after %v", took)
		}
	})
}

func TestSitesShareTheAttemptsInTurn(t *testing.T) {
	world(t, func(t *testing.T, r *rig) {
		r.options.Concurrency = 2
		count := make(map[string]int)
		var mu sync.Mutex
		r.carry = func(_ context.Context, rt *route.Route, j *delivery.Job) []mail.Outcome {
			time.Sleep(time.Second)
			mu.Lock()
			defer mu.Unlock()
			count[rt.Domain]++
			return all(j, accepted())
		}
		r.begin()
		for i := range 100 {
			for _, d := range []string{"a.example", "b.example", "c.example", "d.example"} {
				r.send(fmt.Sprintf("u%d@%s", i, d))
			}
		}
		time.Sleep(20*time.Second + time.Millisecond)
		mu.Lock()
		defer mu.Unlock()
		for d, n := range count {
			if n < 8 || n > 12 {
				t.Errorf("%s had %d of 40 attempts: %v", d, n, count)
			}
		}
		if len(count) != 4 {
			t.Errorf("attempts: %v", count)
		}
	})
}

func TestDomainWithoutRouteIsAskedForOnce(t *testing.T) {
	for _, test := range []struct {
		name   string
		err    error
		events string
	}{
		{"a domain that takes no mail", mail.Refuse(556, 1, 10, "Recipient domain does not accept mail"), "Bounce"},
		{"a name server that fails", mail.Refuse(421, 4, 0, "Unable to lookup DNS for example.org"), "DeliveryDelay"},
		{"an error of another kind", errors.New("out of sockets"), "DeliveryDelay"},
	} {
		t.Run(test.name, func(t *testing.T) {
			world(t, func(t *testing.T, r *rig) {
				var back atomic.Bool
				r.resolve = func(_ context.Context, d string) (*route.Route, error) {
					if back.Load() {
						return &route.Route{Domain: d, Site: "mx", Expires: time.Now().Add(time.Hour)}, nil
					}
					time.Sleep(3 * time.Second)
					return nil, test.err
				}
				r.begin()
				for i := range 500 {
					r.send(fmt.Sprintf("u%d@example.org", i))
				}
				time.Sleep(10 * time.Second)
				synctest.Wait()
				if len(r.resolved) != 1 || r.attempts() != 0 {
					t.Errorf("%d questions, %d attempts", len(r.resolved), r.attempts())
				}
				evs := r.memory.Events()
				if len(evs) != 500 || evs[0].Type.String() != test.events {
					t.Errorf("%d events, first %v", len(evs), evs[0].Type)
				}
				if test.events == "Bounce" {
					return
				}
				if e := r.entries()[0]; e.Attempts != 1 || e.Last.Code == 0 {
					t.Errorf("entry = %+v", e)
				}
				back.Store(true)
				time.Sleep(2 * time.Minute)
				synctest.Wait()
				if len(r.entries()) != 0 || len(r.resolved) > 2 {
					t.Errorf("%d entries left after %d questions", len(r.entries()), len(r.resolved))
				}
			})
		})
	}
}

func TestSlowNameServerDelaysNoOtherDomain(t *testing.T) {
	world(t, func(t *testing.T, r *rig) {
		r.resolve = func(ctx context.Context, d string) (*route.Route, error) {
			if strings.HasPrefix(d, "dead") {
				<-ctx.Done()
				return nil, ctx.Err()
			}
			return &route.Route{Domain: d, Site: "mx." + d, Expires: time.Now().Add(time.Hour)}, nil
		}
		r.begin()
		for i := range 20 {
			r.send(fmt.Sprintf("u@dead%d.example", i))
			time.Sleep(time.Second)
			r.send(fmt.Sprintf("v@d%d.example.org", i))
			synctest.Wait()
			if n := r.attempts(); n != i+1 {
				t.Fatalf("%d attempts while %d domains are looked up, want %d", n, i+1, i+1)
			}
		}
	})
}

func TestDomainFollowsItsRoute(t *testing.T) {
	world(t, func(t *testing.T, r *rig) {
		var site atomic.Value
		site.Store("old")
		r.resolve = func(_ context.Context, d string) (*route.Route, error) {
			return &route.Route{Domain: d, Site: site.Load().(string), Hosts: []route.Host{{Name: site.Load().(string)}}, Expires: time.Now().Add(time.Minute)}, nil
		}
		var hosts []string
		r.carry = func(_ context.Context, rt *route.Route, j *delivery.Job) []mail.Outcome {
			hosts = append(hosts, rt.Hosts[0].Name)
			return all(j, accepted())
		}
		r.begin()
		for range 3 {
			r.send("a@example.org")
			synctest.Wait()
		}
		site.Store("new")
		time.Sleep(3 * time.Minute)
		for range 2 {
			r.send("a@example.org")
			synctest.Wait()
		}
		if got, want := strings.Join(hosts, " "), "old old old new new"; got != want {
			t.Errorf("hosts = %s, want %s", got, want)
		}
		if len(r.resolved) != 2 {
			t.Errorf("%d questions", len(r.resolved))
		}
	})
}
