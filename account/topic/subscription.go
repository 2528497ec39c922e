package topic

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"encoding/hex"
	"slices"
	"strings"
	"time"

	"github.com/sesame-mta/sesame/account/destination"
)

// Subscription is an endpoint that is told of what goes to a topic.
type Subscription struct {
	Account, Topic string
	// ID is the end of its ARN, a UUID.
	ID       string
	Endpoint string
	// Raw: without the envelope of SNS.
	Raw bool
	// Confirmed: whoever owns the endpoint has agreed. Before that it is told of
	// nothing, and is forgotten after PendingFor.
	Confirmed bool
	Created   time.Time
}

// Protocol gives that of the endpoint.
func (s Subscription) Protocol() string {
	protocol, _, _ := strings.Cut(s.Endpoint, ":")
	return strings.ToLower(protocol)
}

// PendingFor is how long a subscription can be confirmed.
const PendingFor = 3 * 24 * time.Hour

// Expired reports whether a subscription was not confirmed in time.
func Expired(d destination.Destination, now time.Time) bool {
	return d.Owner.Topic != "" && !d.Confirmed && now.Sub(d.Created) > PendingFor
}

func subscription(d destination.Destination) Subscription {
	return Subscription{d.Account, d.Owner.Topic, d.Name, d.Target, d.Raw, d.Confirmed, d.Created}
}

// SubscriptionARN gives that of a subscription.
func (b *Book) SubscriptionARN(s Subscription) string { return b.ARN(s.Account, s.Topic) + ":" + s.ID }

// ParseSubscription reads the ARN of a subscription of an account, which need not
// exist; ErrARN.
func (b *Book) ParseSubscription(accountID, arn string) (name, id string, err error) {
	at := strings.LastIndexByte(arn, ':')
	if at < 0 {
		return "", "", ErrARN
	}
	name, err = b.Parse(accountID, arn[:at])
	return name, arn[at+1:], err
}

// Subscriptions gives those of a topic, or with an empty name of all topics of an
// account, in the order of topic and id.
func (b *Book) Subscriptions(accountID, name string) []Subscription {
	var list []Subscription
	for _, t := range b.List(accountID) {
		if name != "" && name != t.Name {
			continue
		}
		for _, d := range b.o.Destinations().Of(owner(t)) {
			if !Expired(d, time.Now()) {
				list = append(list, subscription(d))
			}
		}
	}
	return list
}

// Subscription gives one; account.ErrNotFound.
func (b *Book) Subscription(accountID, name, id string) (Subscription, error) {
	d, err := b.o.Destinations().Get(destination.Owner{Account: accountID, Topic: name}, id)
	if err != nil {
		return Subscription{}, err
	}
	return subscription(d), nil
}

// Subscribe makes a subscription, which its endpoint is asked to confirm, or gives
// the one with that endpoint that is there. It answers account.ErrNotFound,
// ErrEndpoint, destination.ErrCount, or what is wrong with it.
func (b *Book) Subscribe(ctx context.Context, accountID, name, protocol, endpoint string, raw bool) (Subscription, error) {
	if !scheme(protocol, endpoint) {
		return Subscription{}, ErrEndpoint
	}
	b.change.Lock()
	defer b.change.Unlock()
	t, err := b.Get(accountID, name)
	if err != nil {
		return Subscription{}, err
	}
	list := b.o.Destinations().Of(owner(t))
	if i := slices.IndexFunc(list, func(d destination.Destination) bool { return d.Target == endpoint && !Expired(d, time.Now()) }); i >= 0 {
		return subscription(list[i]), nil
	}
	for _, d := range list {
		if Expired(d, time.Now()) {
			if err := b.o.Destinations().Delete(ctx, d.Owner, d.Name); err != nil && !isNotFound(err) {
				return Subscription{}, err
			}
		}
	}
	d, _, err := b.o.Destinations().Add(ctx, destination.Destination{Owner: owner(t), Name: newID(), Kind: destination.SNS,
		Target: endpoint, Signature: t.Signature, Raw: raw})
	return subscription(d), err
}

// Confirm is the agreement of whoever got the token of a subscription; ErrToken. To
// confirm again changes nothing.
func (b *Book) Confirm(ctx context.Context, accountID, name, token string) (Subscription, error) {
	for _, d := range b.o.Destinations().Of(destination.Owner{Account: accountID, Topic: name}) {
		if Expired(d, time.Now()) || !hmac.Equal([]byte(b.o.Token(d)), []byte(token)) {
			continue
		}
		if d.Confirmed {
			return subscription(d), nil
		}
		d, err := b.o.Destinations().Change(ctx, d.Owner, d.Name, func(d *destination.Destination) { d.Confirmed = true })
		if isNotFound(err) {
			break
		}
		return subscription(d), err
	}
	return Subscription{}, ErrToken
}

// SetRaw has events posted without the envelope, or with it; account.ErrNotFound.
func (b *Book) SetRaw(ctx context.Context, accountID, name, id string, raw bool) error {
	_, err := b.o.Destinations().Change(ctx, destination.Owner{Account: accountID, Topic: name}, id,
		func(d *destination.Destination) { d.Raw = raw })
	return err
}

// Unsubscribe ends a subscription; one that is not there is no error. What waits for
// it is dropped by whoever tells destinations.
func (b *Book) Unsubscribe(ctx context.Context, accountID, name, id string) error {
	err := b.o.Destinations().Delete(ctx, destination.Owner{Account: accountID, Topic: name}, id)
	if isNotFound(err) {
		return nil
	}
	return err
}

// newID makes a random UUID (RFC 9562 section 5.4).
func newID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	s := hex.EncodeToString(b[:])
	return s[:8] + "-" + s[8:12] + "-" + s[12:16] + "-" + s[16:20] + "-" + s[20:]
}
