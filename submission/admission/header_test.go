package admission_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/sesame-mta/sesame/account/configset"
	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/submission/admission"
)

// listed is spec section 3.5.
const listed = `Accept-Language, acceptLanguage, Archived-At, Auto-Submitted, Bounces-to, Comments, Content-Alternative, Content-Base, Content-Class, Content-Description,
Content-Disposition, Content-Duration, Content-ID, Content-Language, Content-Length, Content-Location, Content-MD5, Content-Transfer-Encoding, Content-Type, Date,
Delivered-To, Disposition-Notification-Options, Disposition-Notification-To, DKIM-Signature, DomainKey-Signature, Errors-To, From, Importance, In-Reply-To, Keywords,
List-Archive, List-Help, List-Id, List-Owner, List-Post, List-Subscribe, List-Unsubscribe, List-Unsubscribe-Post, Message-Context, Message-ID, MIME-Version, Organization,
Original-From, Original-Message-ID, Original-Recipient, Original-Subject, Precedence, Priority, References, Reply-To, Return-Path, Return-Receipt-To, Sender, Solicitation,
Sensitivity, Subject, Thread-Index, Thread-Topic, User-Agent, VBR-Info`

// decisive are those that the default profile refuses too, and all of Content-.
const decisive = " From Sender Reply-To Return-Path Subject Date Message-ID MIME-Version "

func TestEveryFieldOfTheListMayStandOnce(t *testing.T) {
	check := rule(t, "unique", admission.Options{})
	for name := range strings.SplitSeq(strings.ReplaceAll(listed, "\n", " "), ",") {
		name = strings.TrimSpace(name)
		want := "554 5.6.0 Transaction failed: Duplicate header '" + name + "'."
		for _, strict := range []bool{true, false} {
			c := candidate(t, name+": a\r\nX: y\r\n"+strings.ToUpper(name)+": b\r\n\r\n")
			c.Principal.Strict = strict
			err := check(t.Context(), c)
			if !strict && !strings.Contains(decisive, " "+name+" ") && !strings.HasPrefix(name, "Content-") {
				if err != nil {
					t.Errorf("by default: %v", err)
				}
				continue
			}
			if err == nil || err.Error() != want {
				t.Errorf("%s, strict %v: got %v", name, strict, err)
			}
		}
		if err := check(t.Context(), candidate(t, name+": a\r\n\r\n")); err != nil {
			t.Errorf("%s once: %v", name, err)
		}
	}
	for _, name := range []string{"To", "Cc", "Received", "X-Mine", "Resent-From"} {
		if err := check(t.Context(), candidate(t, name+": a\r\n"+name+": b\r\n\r\n")); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestTagsAreReadOrRefusedInTheWordsOfSES(t *testing.T) {
	long := strings.Repeat("a", 255)
	many := strings.Repeat("a=b,", 50)
	for value, want := range map[string]string{
		"":                                    "[]",
		"a=b":                                 "[{a b}]",
		" a = b ,\tc_-1=d.@_-,":               "[{a b} {c_-1 d.@_-}]",
		"ses:feedback-id-a=x":                 "[{ses:feedback-id-a x}]",
		"caf\xc3\xa9=1,b=\xff,c=d":            "[{c d}]",
		"=?utf-8?q?=C3=A9?==1,a=b":            "[{a b}]",
		"=b":                                  "The tag name must be specified.",
		"a=":                                  "The tag value must be specified.",
		"a":                                   "The tag value must be specified.",
		"a=b=c":                               "Invalid tag value <b=c>: only alphanumeric ASCII characters, '_',  '-' , '.', '@' are allowed.",
		"a.b=c":                               "Invalid tag name <a.b>: only alphanumeric ASCII characters, '_',  '-' are allowed.",
		"ses:x=c":                             "Invalid tag name <ses:x>: only alphanumeric ASCII characters, '_',  '-' are allowed.",
		"SES:feedback-id-a=c":                 "Invalid tag name <SES:feedback-id-a>: only alphanumeric ASCII characters, '_',  '-' are allowed.",
		long + "a=b":                          "Tag name cannot exceed 255 characters.",
		"a=" + long + "a":                     "Tag value cannot exceed 255 characters.",
		many + "a=b":                          "Tag count exceeds 50.",
		"a=;b=c":                              "Invalid tag value <;b=c>: only alphanumeric ASCII characters, '_',  '-' , '.', '@' are allowed.",
		"a=\"b\"":                             "Invalid tag value <\"b\">: only alphanumeric ASCII characters, '_',  '-' , '.', '@' are allowed.",
		"a=" + strings.Repeat(":", 255) + "x": "Tag value cannot exceed 255 characters.",
	} {
		tags, err := admission.ParseTags(value)
		got := fmt.Sprint(tags)
		if err != nil {
			var reply *mail.Reply
			if !errors.As(err, &reply) || reply.Code != 554 || !reply.Bare || len(reply.Wire(nil)) > mail.MaxReplyLine {
				t.Errorf("%.40q: %v", value, err)
			}
			got = strings.TrimPrefix(reply.Text, "Transaction failed: ")
		}
		if got != want {
			t.Errorf("%.40q: got %q, want %q", value, got, want)
		}
	}
	if tags, err := admission.ParseTags(many); err != nil || len(tags) != 50 {
		t.Errorf("fifty tags: %d, %v", len(tags), err)
	}
}

func TestOnlyTheFirstFieldWithTagsCounts(t *testing.T) {
	check := rule(t, "tags", admission.Options{})
	if err := check(t.Context(), candidate(t, "X-SES-MESSAGE-TAGS: a=b\r\nX-SES-MESSAGE-TAGS: =\r\n\r\n")); err != nil {
		t.Error(err)
	}
	if err := check(t.Context(), candidate(t, "x-ses-message-tags: =b\r\nX-SES-MESSAGE-TAGS: a=b\r\n\r\n")); err == nil {
		t.Error("the first was passed over")
	}
}

func TestANameThatIsNoSetIsShownInPart(t *testing.T) {
	c := candidate(t, "X: y\r\n\r\n")
	check := rule(t, "configuration_set", admission.Options{})
	for name, want := range map[string]string{
		"a b":                    "<a b> does not exist.",
		strings.Repeat("x", 500): "<" + strings.Repeat("x", 64) + "> does not exist.",
	} {
		c.SetName = name
		if err := check(t.Context(), c); err == nil || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("got %v", err)
		}
	}
	c.Set = &configset.Set{Name: "a", Sending: true}
	if err := check(t.Context(), c); err != nil {
		t.Error(err)
	}
}

// FuzzParseTags: a tag that is taken keeps to the rules.
func FuzzParseTags(f *testing.F) {
	f.Add("a=b, ses:feedback-id-a=c")
	f.Add("=?utf-8?b?YT1i?=")
	f.Fuzz(func(t *testing.T, value string) {
		tags, err := admission.ParseTags(value)
		if err != nil {
			return
		}
		for _, tag := range tags {
			text := tag.Name + "=" + tag.Value
			if again, err := admission.ParseTags(text); err != nil || len(again) != 1 || again[0] != tag || strings.ContainsAny(text, " ,\r\n<>") {
				t.Errorf("%q gave %q", value, text)
			}
		}
	})
}

func ExampleParseTags() {
	tags, err := admission.ParseTags("campaign=spring, ses:feedback-id-a=shop")
	fmt.Println(tags, err)
	_, err = admission.ParseTags("my campaign=spring")
	fmt.Println(err)
	// Output:
	// [{campaign spring} {ses:feedback-id-a shop}] <nil>
	// 554 5.6.0 Transaction failed: Invalid tag name <my campaign>: only alphanumeric ASCII characters, '_',  '-' are allowed.
}
