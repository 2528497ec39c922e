package admission

import (
	"context"
	"strings"

	"github.com/sesame-mta/sesame/mail/message"
	"github.com/sesame-mta/sesame/queue"
)

// FeedbackA and FeedbackB are the reserved tags whose values go into the
// Feedback-ID field (spec section 3.3).
const (
	FeedbackA = "ses:feedback-id-a"
	FeedbackB = "ses:feedback-id-b"
)

// HeaderLimits are those of the header section of a message. A tag that is not
// ASCII passes: it does not fail the message (spec section 3.1) and its field does
// not leave.
func HeaderLimits() message.Limits {
	return message.Limits{EightBit: func(name string) bool { return strings.EqualFold(name, TagsField) }}
}

// Bounds of message tags.
const (
	maxTags = 50
	maxTag  = 255 // characters of a name or a value
)

// tags refuses a message whose tags break the rules of spec section 3.1.
func tags(_ context.Context, c *Candidate) error {
	field, _ := c.Header.Get(TagsField)
	_, err := ParseTags(field.Value())
	return err
}

// ParseTags reads message tags as the control field has them: name=value, parted
// by commas. A tag with characters outside ASCII is left out and does not fail
// the message; any other that breaks the rules is the *mail.Reply that refuses it,
// in recorded words.
func ParseTags(value string) ([]queue.Tag, error) {
	if strings.Contains(value, "=?") {
		// Somebody who writes an encoded word means what is not ASCII.
		value = wordsDecoded(value)
	}
	var list []queue.Tag
	for item := range strings.SplitSeq(value, ",") {
		item = strings.Trim(item, " \t")
		if item == "" || !isASCII(item) {
			continue
		}
		name, value, _ := strings.Cut(item, "=")
		t := queue.Tag{Name: strings.TrimRight(name, " \t"), Value: strings.TrimLeft(value, " \t")}
		if err := checkTag(t); err != nil {
			return nil, err
		}
		if len(list) == maxTags {
			return nil, errTags
		}
		list = append(list, t)
	}
	return list, nil
}

// CheckTags is ParseTags for tags that came as a list: the error is the
// *mail.Reply that refuses them. A reserved name that is not for the sender to use
// and characters outside ASCII are refused here.
func CheckTags(list []queue.Tag) error {
	if len(list) > maxTags {
		return errTags
	}
	for _, t := range list {
		if err := checkTag(t); err != nil {
			return err
		}
	}
	return nil
}

var errTags = failed(0, "Tag count exceeds 50.")

func isASCII(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r > '~' }) < 0
}

const tagCharacters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"

// checkTag has the sentences of SES, odd blanks included.
func checkTag(t queue.Tag) error {
	switch {
	case t.Name == "":
		return failed(0, "The tag name must be specified.")
	case len(t.Name) > maxTag:
		return failed(0, "Tag name cannot exceed 255 characters.")
	case strings.Trim(t.Name, tagCharacters) != "" && t.Name != FeedbackA && t.Name != FeedbackB:
		return failed(0, "Invalid tag name <"+t.Name+">: only alphanumeric ASCII characters, '_',  '-' are allowed.")
	case t.Value == "":
		return failed(0, "The tag value must be specified.")
	case len(t.Value) > maxTag:
		return failed(0, "Tag value cannot exceed 255 characters.")
	case strings.Trim(t.Value, tagCharacters+".@") != "":
		return failed(0, "Invalid tag value <"+t.Value+">: only alphanumeric ASCII characters, '_',  '-' , '.', '@' are allowed.")
	}
	return nil
}
