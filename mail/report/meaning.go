package report

import (
	"strings"

	"github.com/sesame-mta/sesame/mail"
)

// meanings are the words in which mailers tell of failures that they found
// themselves, with the status that they stand for (RFC 3463 section 3).
var meanings = []struct {
	words  string // in lower case, alternatives parted by "|"
	status mail.Status
}{
	{"retry timeout exceeded|envelope expired|message expired|in the queue too long|queue.expired|not delivered within|could not be delivered for", mail.Status{Class: 4, Subject: 4, Detail: 7}},
	{"lookups failed|non-existent hosts|domain name not found|domain does not exist|no such domain|couldn't find any host|no mx or a records|host unknown|unknown host|illegal host|host not found", mail.Status{Class: 5, Subject: 1, Detail: 2}},
	{"mailbox is full|mailbox full|over quota|quota exceeded|exceeds allowed size|exceeded the local limit|exceeded storage", mail.Status{Class: 5, Subject: 2, Detail: 2}},
	{"size limit exceeded|message too large|message is too large|exceeds size limit", mail.Status{Class: 5, Subject: 3, Detail: 4}},
	{"hop count|loops back", mail.Status{Class: 5, Subject: 4, Detail: 6}},
	{"account is disabled|mailbox is disabled|account is temporarily limited", mail.Status{Class: 5, Subject: 2, Detail: 1}},
	{"user unknown|unknown user|no such user|user not found|unknown recipient|not listed in|no mailbox here|name is not recognized|doesn't have a|account does not exist|address does not exist|invalid recipient|no valid recipients|invalid final delivery userid|may not exist|unrouteable address", mail.Status{Class: 5, Subject: 1, Detail: 1}},
	{"timed out|connection refused|our requests to connect", mail.Status{Class: 4, Subject: 4, Detail: 1}},
}

// meaning gives the status that a text stands for, if any.
func meaning(text string) mail.Status {
	text = lowered(text)
	for _, m := range meanings {
		for w := range strings.SplitSeq(m.words, "|") {
			if strings.Contains(text, w) {
				return m.status
			}
		}
	}
	return mail.Status{}
}
