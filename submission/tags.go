package submission

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"maps"
	"slices"
	"strings"

	"github.com/sesame-mta/sesame/mail/message"
	"github.com/sesame-mta/sesame/queue"
	"github.com/sesame-mta/sesame/submission/admission"
)

// tags gives the message tags: of each name those of the request or, when it has
// no list of them, of the header, else those of the credential, else those of the
// identity.
func tags(r *Request, s *message.Section, identity defaults) []queue.Tag {
	list := slices.Clone(r.Tags)
	if r.Tags == nil {
		field, _ := s.Get(admission.TagsField)
		list, _ = admission.ParseTags(field.Value()) // a rule refused what it refuses
	}
	for _, t := range r.Principal.Tags {
		if !named(list, t.Name) {
			list = append(list, queue.Tag{Name: t.Name, Value: t.Value})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(identity.tags)) {
		if !named(list, name) {
			list = append(list, queue.Tag{Name: name, Value: identity.tags[name]})
		}
	}
	return list
}

func named(list []queue.Tag, name string) bool {
	return slices.ContainsFunc(list, func(t queue.Tag) bool { return t.Name == name })
}

// ownFeedback reports whether a message brings a Feedback-ID of its sender's. One
// in our name is none: the complaints about it would count for whose it was.
func ownFeedback(s *message.Section) bool {
	fields := s.All("Feedback-ID")
	for _, f := range fields {
		sender := strings.ToLower(f.Value()[strings.LastIndexByte(f.Value(), ':')+1:])
		if strings.Contains(sender, feedbackSender) {
			return false
		}
	}
	return len(fields) > 0
}

// feedbackSender ends our Feedback-ID fields.
const feedbackSender = "sesame"

// feedbackID gives the Feedback-ID field in the form of SES (spec section 3.3):
// two values of the sender's choice, then what stays the same for the account, so
// that a mailbox provider can count complaints by it.
func (d *Desk) feedbackID(account string, tags []queue.Tag) []byte {
	var a, b string
	for _, t := range tags {
		switch t.Name {
		case admission.FeedbackA:
			a = t.Value
		case admission.FeedbackB:
			b = t.Value
		}
	}
	return message.Field("Feedback-ID", a+":"+b+":1."+d.o.Region+"."+d.constant(account)+":"+feedbackSender)
}

// constant gives the 44 characters that stand for an account. There is an entry for
// each account that sends.
func (d *Desk) constant(account string) string {
	if text, ok := d.constants.Load(account); ok {
		return text.(string)
	}
	h := hmac.New(sha256.New, d.o.FeedbackKey)
	h.Write([]byte(account))
	text := base64.StdEncoding.EncodeToString(h.Sum(nil))
	d.constants.Store(account, text)
	return text
}
