package webhook

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/sesame-mta/sesame/event"
)

// Subject is that of every event that is published. SES writes its own name into it.
const Subject = "Email Event Notification"

// The types of SNS messages.
const (
	typeConfirmation = "SubscriptionConfirmation"
	typeNotification = "Notification"
)

// ErrUnconfirmed says that nobody has opened the SubscribeURL yet.
var ErrUnconfirmed = errors.New("the subscription is not confirmed yet")

// askAgain is how long after a confirmation was taken another is sent.
const askAgain = time.Hour

// Topic names a destination as SNS does.
type Topic struct{ Region, Account, Owner, Name string }

// ARN gives the topic's. What no name of a topic has is a hyphen in it. A topic
// that has no owner but its account is called as it is.
func (t Topic) ARN() string {
	prefix := "arn:aws:sns:" + t.Region + ":" + t.Account + ":"
	if t.Owner == "" {
		return prefix + t.Name
	}
	owner := strings.Map(func(r rune) rune {
		if r == '_' || r == '-' || '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' {
			return r
		}
		return '-'
	}, t.Owner)
	return prefix + owner + "_" + t.Name
}

// SNSOptions is what an SNS is made from.
type SNSOptions struct {
	Consumer string // its name in the outbox
	Topic    Topic
	URL      string
	Client   *http.Client
	Encoder  *event.Encoder
	Signer   *Signer
	Version  int // of the signature: 1 is SHA-1, 2 is SHA-256
	// PublicURL is where Handler answers to the world, without a slash at its end.
	PublicURL string
	Token     string // that the owner of the URL shows to confirm
	Confirmed bool
	// Subscription is the end of the ARN of the subscription; empty makes one.
	Subscription string
	// Raw posts what happened without the envelope.
	Raw bool
}

// SNS posts each event in the envelope of Amazon SNS (spec section 8.8). It is an
// event.Sink.
type SNS struct {
	o     SNSOptions
	asked time.Time
}

// NewSNS makes a sink.
func NewSNS(o SNSOptions) *SNS { return &SNS{o: o} }

// Close implements event.Sink.
func (s *SNS) Close() error { return nil }

// envelope is an SNS message. Its fields stand in the order of SNS.
type envelope struct {
	Type             string
	MessageID        string `json:"MessageId"`
	Token            string `json:",omitempty"`
	TopicARN         string `json:"TopicArn"`
	Subject          string `json:",omitempty"`
	Message          string
	SubscribeURL     string `json:",omitempty"`
	Timestamp        event.Instant
	SignatureVersion string
	Signature        string
	SigningCertURL   string
	UnsubscribeURL   string `json:",omitempty"`
}

// toSign gives what the signature is over: names and values in the order of their
// names, each on a line of its own, those that are absent left out.
func (e *envelope) toSign() string {
	text, at := "", e.Timestamp.UTC().Format("2006-01-02T15:04:05.000Z")
	for _, f := range [][2]string{{"Message", e.Message}, {"MessageId", e.MessageID}, {"Subject", e.Subject},
		{"SubscribeURL", e.SubscribeURL}, {"Timestamp", at}, {"Token", e.Token}, {"TopicArn", e.TopicARN}, {"Type", e.Type}} {
		if f[1] != "" {
			text += f[0] + "\n" + f[1] + "\n"
		}
	}
	return text
}

// Ready implements event.Sink. Until the subscription is confirmed it asks for
// that, hourly once the question was taken.
func (s *SNS) Ready(ctx context.Context) error {
	if s.o.Confirmed {
		return nil
	}
	if !s.asked.IsZero() && time.Since(s.asked) < askAgain {
		return ErrUnconfirmed
	}
	arn := s.o.Topic.ARN()
	e := envelope{Type: typeConfirmation, MessageID: uuid([]byte(s.o.Token)), Token: s.o.Token, TopicARN: arn,
		Message: "You have chosen to subscribe to the topic " + arn + ".\nTo confirm the subscription, visit the SubscribeURL included in this message.",
		SubscribeURL: s.o.PublicURL + Path + "?" + url.Values{"Action": {"ConfirmSubscription"}, "TopicArn": {arn},
			"Token": {s.o.Token}}.Encode()}
	if err := s.send(ctx, e, 0); err != nil {
		return err
	}
	s.asked = time.Now()
	return ErrUnconfirmed
}

// Tell implements event.Sink.
func (s *SNS) Tell(ctx context.Context, records []event.Record) ([]uint64, error) {
	return each(ctx, records, func(ctx context.Context, r event.Record) error {
		body := s.o.Encoder.Line(r, false)
		// What an identity is told has neither subject nor line end (spec section 8.1).
		subject, text := Subject, string(body)+"\n"
		if s.o.Encoder.Notification {
			subject, text = "", string(body)
		}
		return s.notify(ctx, uuid(digest(s.o.Consumer, r.Seq)), subject, text, r.Seq)
	})
}

func (s *SNS) subscription() string {
	return s.o.Topic.ARN() + ":" + cmp.Or(s.o.Subscription, uuid([]byte("subscription "+s.o.Token)))
}

// Say posts a text that is no event, of the id, to whoever has agreed.
func (s *SNS) Say(ctx context.Context, id, subject, text string) error {
	return s.notify(ctx, uuid([]byte(id+s.o.Token)), subject, text, 0)
}

func (s *SNS) notify(ctx context.Context, id, subject, text string, seq uint64) error {
	return s.send(ctx, envelope{Type: typeNotification, MessageID: id, TopicARN: s.o.Topic.ARN(), Subject: subject, Message: text,
		UnsubscribeURL: s.o.PublicURL + Path + "?" + url.Values{"Action": {"Unsubscribe"},
			"SubscriptionArn": {s.subscription()}, "Token": {s.o.Token}}.Encode()}, seq)
}

// send signs an envelope and posts it.
func (s *SNS) send(ctx context.Context, e envelope, seq uint64) (err error) {
	e.Timestamp = event.Instant{Time: time.Now()}
	e.SignatureVersion = strconv.Itoa(s.o.Version)
	e.SigningCertURL = s.o.PublicURL + s.o.Signer.CertPath()
	if e.Signature, err = s.o.Signer.Sign(e.toSign(), s.o.Version); err != nil {
		return err
	}
	body, err := json.Marshal(&e)
	if err != nil {
		return err
	}
	// Their case is that of SNS; HTTP knows none.
	header := http.Header{}
	header.Set("Content-Type", "text/plain; charset=UTF-8")
	header.Set("x-amz-sns-message-type", e.Type)
	header.Set("x-amz-sns-message-id", e.MessageID)
	header.Set("x-amz-sns-topic-arn", e.TopicARN)
	if e.Type == typeNotification {
		header.Set("x-amz-sns-subscription-arn", s.subscription())
		if s.o.Raw {
			header.Set("x-amz-sns-rawdelivery", "true")
			body = []byte(e.Message)
		}
	}
	if seq > 0 {
		header.Set(HeaderSequence, strconv.FormatUint(seq, 10))
	}
	return post(ctx, s.o.Client, s.o.URL, header, body)
}

// uuid makes a UUID from octets (RFC 9562 section 5.8).
func uuid(from []byte) string {
	sum := sha256.Sum256(from)
	sum[6], sum[8] = sum[6]&0x0f|0x80, sum[8]&0x3f|0x80
	h := hex.EncodeToString(sum[:16])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}
