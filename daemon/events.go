package daemon

import (
	"cmp"
	"context"
	"crypto/hmac"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/sesame-mta/sesame/account"
	"github.com/sesame-mta/sesame/account/destination"
	"github.com/sesame-mta/sesame/account/topic"
	"github.com/sesame-mta/sesame/delivery/egress"
	"github.com/sesame-mta/sesame/delivery/simulator"
	"github.com/sesame-mta/sesame/event"
	"github.com/sesame-mta/sesame/event/counters"
	"github.com/sesame-mta/sesame/event/file"
	"github.com/sesame-mta/sesame/event/forward"
	"github.com/sesame-mta/sesame/event/publish"
	"github.com/sesame-mta/sesame/event/suppress"
	"github.com/sesame-mta/sesame/event/webhook"
	"github.com/sesame-mta/sesame/internal/atomicfile"
	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/queue"
)

// words are the event types as destinations have them.
var words = map[event.Type]string{
	event.Send: "send", event.Delivery: "delivery", event.DeliveryDelay: "delivery_delay",
	event.Bounce: "bounce", event.Reject: "reject", event.Complaint: "complaint",
	event.RenderingFailure: "rendering_failure", event.Subscription: "subscription",
}

// interest names who asks for an event: bounce mail, the simulator, and who is
// told of what comes back late too.
func (d *Daemon) interest(t event.Type, m *queue.Message) (names []string) {
	if forward.Interest(t) && d.forwards(t, m) {
		names = append(names, forward.Consumer)
	}
	if d.simulations.Interest(t, m.To) {
		names = append(names, simulator.Consumer)
	}
	return append(names, d.late(t, m)...)
}

// late names who asks for an event also when the message has left long ago: the
// suppression lists, and the destinations of its configuration set and its
// identity. What came back by mail is forwarded as it came.
func (d *Daemon) late(t event.Type, m *queue.Message) (names []string) {
	if d.collects(t, m) {
		names = append(names, suppress.Consumer)
	}
	if len(m.Mail) == 0 {
		return names // nobody was to be told when it was accepted
	}
	for _, o := range owners(m) {
		for _, dest := range d.destinations.Of(o) {
			switch {
			case dest.Kind == destination.Metrics: // counted, not told
			case dest.Kind == destination.Topic:
				names = append(names, d.lateThrough(t, dest)...)
			case dest.Wants(words[t]):
				names = append(names, publish.Consumer(dest))
			case !dest.Disabled && slices.Contains(dest.Events, words[t]):
				d.publisher.Skipped(dest) // it is parked
			}
		}
	}
	return names
}

// owners are those whose destinations are told of a message: its configuration set
// and the identity that it is sent as.
func owners(m *queue.Message) (list []destination.Owner) {
	if m.ConfigSet != "" {
		list = append(list, destination.Owner{Account: m.Account, Set: m.ConfigSet})
	}
	if m.Identity != "" {
		list = append(list, destination.Owner{Account: m.Account, Identity: m.Identity})
	}
	return list
}

// published reports whether a destination may be told of a message. One that is
// parked may be back before the message is final, and what it misses is counted.
func (d *Daemon) published(m *queue.Message) bool {
	for _, o := range owners(m) {
		for _, dest := range d.destinations.Of(o) {
			if !dest.Disabled {
				return true
			}
		}
	}
	return false
}

// canTell says why there can be no destination of a kind.
func (d *Daemon) canTell(k destination.Kind) error {
	switch {
	case k == destination.File && d.cfg.Events.FileDir == "":
		return errors.New("files need [events] file_dir in the configuration file")
	case k == destination.SNS && (d.cfg.Service.PublicURL == "" || d.cfg.Listen.Public == ""):
		return errors.New("SNS needs [service] public_url and [listen] public in the configuration file, for its certificate and its links")
	}
	return nil
}

// buildPublisher joins what tells destinations.
func (d *Daemon) buildPublisher(context.Context) error {
	if dir := d.cfg.Events.FileDir; dir != "" {
		if err := os.MkdirAll(dir, 0o750); err != nil {
			return fmt.Errorf("events.file_dir: %w", err)
		}
	}
	guard := egress.NewGuard(d.cfg.Events.AllowNetworks, nil)
	d.hooks = webhook.NewClient(guard.Check)
	d.onClose(func() error { d.hooks.CloseIdleConnections(); return nil })
	d.herald = webhook.NewHerald(d.logger("event"))
	d.counters = counters.New(counters.Options{All: func() []destination.Destination { return d.destinations.All("") },
		Log: d.logger("event"), Metrics: d.metrics})
	d.publisher = publish.New(publish.Options{Outbox: d.spool, Archive: d.spool, KeepFor: d.cfg.Events.KeepFor,
		Destinations: d.told,
		Open:         d.openSink, ParkAfter: d.cfg.Events.ParkAfter,
		Park: func(ctx context.Context, dest destination.Destination) error {
			owner, name := dest.Place()
			_, err := d.destinations.Change(ctx, owner, name, func(c *destination.Destination) {
				c.Parked = time.Now().UTC().Truncate(time.Second)
			})
			return err
		},
		Log: d.logger("event"), Metrics: d.metrics,
	})
	if d.cfg.Service.PublicURL == "" || d.cfg.Listen.Public == "" {
		return nil
	}
	signer, err := d.openSigner()
	if err != nil {
		return fmt.Errorf("key for SNS: %w", err)
	}
	d.signer = signer
	return nil
}

// openSink makes the way to a destination.
func (d *Daemon) openSink(dest destination.Destination) (event.Sink, error) {
	if err := d.canTell(dest.Kind); err != nil {
		return nil, err
	}
	consumer, enc := publish.Consumer(dest), d.encoder(dest)
	switch dest.Kind {
	case destination.File:
		return file.New(file.Options{Dir: d.cfg.Events.FileDir, Name: dest.Target, Encoder: enc,
			MaxBytes: d.cfg.Events.FileRotateBytes, MaxAge: d.cfg.Events.FileRotateEvery})
	case destination.Webhook:
		secret, err := d.destinations.Secret(dest)
		if err != nil {
			return nil, err
		}
		return webhook.NewPlain(webhook.PlainOptions{Consumer: consumer, URL: dest.Target, Secret: secret, Client: d.hooks, Encoder: enc}), nil
	case destination.SNS:
		return d.snsSink(dest), nil
	case destination.Metrics, destination.Topic: // are not told as they are
	}
	return nil, fmt.Errorf("destination of kind %q", dest.Kind)
}

// topic names a destination as SNS does.
func (d *Daemon) topic(dest destination.Destination) webhook.Topic {
	if name := cmp.Or(dest.Via.Topic, dest.Owner.Topic); name != "" {
		return webhook.Topic{Region: d.cfg.Region, Account: dest.Account, Name: name}
	}
	return webhook.Topic{Region: d.cfg.Region, Account: dest.Account, Owner: cmp.Or(dest.Set, dest.Identity), Name: dest.Name}
}

// encoder writes events for a destination. The id of a bounce has its time and is the same each time.
func (d *Daemon) encoder(dest destination.Destination) *event.Encoder {
	return &event.Encoder{Hostname: d.cfg.Hostname, Notification: dest.Identity != "",
		Unreadable: func(r event.Record, err error) { d.publisher.Unreadable(dest, r, err) },
		Headers: func(t event.Type) bool {
			return d.identities.ShowsHeaders(dest.Account, dest.Identity, words[t])
		}, FeedbackID: func(e *event.Event) string {
			var who strings.Builder
			for _, r := range e.Recipients {
				fmt.Fprintf(&who, " %d", r.N)
			}
			return d.minter.Derive(e.Message, e.Time, "feedback "+e.Type.String()+who.String()).String()
		}}
}

// token is what whoever is told shows to agree, or to hear no more.
func (d *Daemon) token(dest destination.Destination) string {
	owner, name := dest.Place()
	return webhook.Token(d.keys.Key("sns-token", 32), owner.Account+"/"+owner.String()+"/"+name, dest.Created)
}

// ofToken gives the destination that a token is of; webhook.ErrToken.
func (d *Daemon) ofToken(token string) (destination.Destination, error) {
	place, _ := webhook.Place(token)
	accountID, place, _ := strings.Cut(place, "/")
	end := max(0, strings.LastIndexByte(place, '/')) // the name of a destination holds no slash
	dest, err := d.destinations.Get(destination.ParseOwner(accountID, place[:end]), strings.TrimPrefix(place[end:], "/"))
	if err != nil || dest.Kind != destination.SNS || !hmac.Equal([]byte(d.token(dest)), []byte(token)) {
		return destination.Destination{}, webhook.ErrToken
	}
	return dest, nil
}

// tellAgain puts events that a destination was told back before it.
func (d *Daemon) tellAgain(ctx context.Context, dest destination.Destination, from uint64, since time.Time) (int, error) {
	total := 0
	for _, way := range d.destinations.Ways(dest) {
		n, err := d.spool.Again(ctx, publish.Consumer(way), from, since)
		total += n
		if err != nil {
			return total, err
		}
	}
	return total, nil
}

// snsHandler answers the receivers of SNS messages.
func (d *Daemon) snsHandler() http.Handler {
	act := func(f func(context.Context, destination.Destination) error) func(context.Context, string) (string, error) {
		return func(ctx context.Context, token string) (string, error) {
			dest, err := d.ofToken(token)
			if err == nil {
				err = f(ctx, dest)
			}
			if errors.Is(err, account.ErrNotFound) || errors.Is(err, topic.ErrToken) {
				err = webhook.ErrToken
			}
			return d.subscriptionARN(dest), err
		}
	}
	return &webhook.Handler{Signer: d.signer, Log: d.logger("public"),
		Confirm: act(d.confirmSNS), Unsubscribe: act(d.unsubscribeSNS)}
}

// withSNS puts the paths of SNS before the public pages.
func (d *Daemon) withSNS(pages http.Handler) http.Handler {
	if d.signer == nil {
		return pages
	}
	mux := http.NewServeMux()
	sns := d.snsHandler()
	mux.Handle(webhook.Path, sns)
	mux.Handle(webhook.Path+"/", sns)
	mux.Handle("/", pages)
	return mux
}

// signingKey is the file of the key that SNS messages are signed with.
type signingKey struct {
	Sealed      []byte `json:"sealed"` // PKCS#8
	Certificate []byte `json:"certificate"`
}

func (d *Daemon) signingFile() string { return filepath.Join(d.cfg.DataDir, "sns.json") }

// signingPlace is where the private key may be opened.
func signingPlace() []string { return []string{"sns", account.SystemID, "signing"} }

// openSigner reads the key that SNS messages are signed with, or makes it.
func (d *Daemon) openSigner() (*webhook.Signer, error) {
	text, err := os.ReadFile(d.signingFile())
	if errors.Is(err, fs.ErrNotExist) {
		private, certificate, err := webhook.NewKey(d.cfg.Hostname)
		if err != nil {
			return nil, err
		}
		if err := d.writeSigning(signingKey{d.keys.Seal(private, signingPlace()...), certificate}); err != nil {
			return nil, err
		}
		return webhook.NewSigner(private, certificate)
	}
	if err != nil {
		return nil, err
	}
	var k signingKey
	if err := json.Unmarshal(text, &k); err != nil {
		return nil, err
	}
	private, err := d.keys.Open(k.Sealed, signingPlace()...)
	if err != nil {
		return nil, err
	}
	return webhook.NewSigner(private, k.Certificate)
}

func (d *Daemon) writeSigning(k signingKey) error {
	text, err := json.Marshal(k)
	if err != nil {
		return err
	}
	return atomicfile.Write(d.signingFile(), text, 0o600)
}

// resealSigning seals the key for SNS under the key of today.
func (d *Daemon) resealSigning(context.Context) (int, error) {
	text, err := os.ReadFile(d.signingFile())
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	var k signingKey
	if err := json.Unmarshal(text, &k); err != nil {
		return 0, err
	}
	if k.Sealed, _, err = d.keys.Refresh(k.Sealed, signingPlace()...); err != nil {
		return 0, err
	}
	return 1, d.writeSigning(k)
}

// identityName gives the identity that an address is sent as.
func (d *Daemon) identityName(accountID string, from mail.Address) string {
	i, _ := d.identities.Covers(accountID, from)
	return i.Name
}
