package daemon_test

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// object is the keys of an object and their types: "string", "time", "bool",
// "number", "strings", "null or string", another object, or in a list of one an
// array of such; a question mark behind a key says that it may be absent.
type object map[string]any

// publishing is the tables of spec section 8 for what is published under a
// configuration set, by event type.
func publishing() map[string]object {
	common := object{"from": "strings", "to?": "strings", "cc?": "strings", "bcc?": "strings", "replyTo?": "strings", "sender?": "string",
		"returnPath?": "string", "date?": "string", "messageId": "string", "subject?": "string"}
	mail := object{"timestamp": "time", "messageId": "string", "source": "string", "sourceArn": "string", "sendingAccountId": "string",
		"destination": "strings", "headersTruncated": "bool", "headers": []object{{"name": "string", "value": "string"}},
		"commonHeaders": common, "tags": "tags"}
	forms := bodies()
	out := map[string]object{}
	for kind, body := range forms {
		o := object{"eventType": "string", "mail": mail, "sequence": "number"}
		for k, v := range body {
			o[k] = v
		}
		out[kind] = o
	}
	return out
}

// notification is those for what an identity is told without the header.
func notification() map[string]object {
	mail := object{"timestamp": "time", "messageId": "string", "source": "string", "sourceArn": "string", "sendingAccountId": "string",
		"destination": "strings", "sourceIp": "string", "callerIdentity": "string"}
	out := map[string]object{}
	for _, kind := range []string{"Bounce", "Complaint", "Delivery"} {
		o := object{"notificationType": "string", "mail": mail, "sequence": "number"}
		for k, v := range bodies()[kind] {
			o[k] = v
		}
		out[kind] = o
	}
	return out
}

// bodies is spec section 8.4.
func bodies() map[string]object {
	return map[string]object{
		"Bounce": {"bounce": object{"bounceType": "string", "bounceSubType": "string", "timestamp": "time", "feedbackId": "string",
			"reportingMTA?": "string", "remoteMtaIp?": "string",
			"bouncedRecipients": []object{{"emailAddress": "string", "action?": "string", "status?": "string", "diagnosticCode?": "string"}}}},
		"Complaint": {"complaint": object{"complainedRecipients": []object{{"emailAddress": "string"}}, "timestamp": "time", "feedbackId": "string",
			"complaintSubType": "null or string", "userAgent?": "string", "complaintFeedbackType?": "string", "arrivalDate?": "time"}},
		"Delivery": {"delivery": object{"timestamp": "time", "processingTimeMillis": "number", "recipients": "strings", "smtpResponse": "string",
			"remoteMtaIp?": "string", "reportingMTA": "string"}},
		"Send":   {"send": object{}},
		"Reject": {"reject": object{"reason": "string"}},
		"DeliveryDelay": {"deliveryDelay": object{"timestamp": "time", "delayType": "string", "expirationTime": "time", "reportingMTA?": "string",
			"delayedRecipients": []object{{"emailAddress": "string", "status": "string", "diagnosticCode": "string"}}}},
		"Rendering Failure": {"failure": object{"templateName": "string", "errorMessage": "string"}},
		"Subscription": {"subscription": object{"contactList": "string", "timestamp": "time", "source": "string",
			"newTopicPreferences": wishes(), "oldTopicPreferences": wishes()}},
	}
}

func wishes() object {
	return object{"unsubscribeAll": "bool", "topicSubscriptionStatus": []object{{"topicName": "string", "subscriptionStatus": "string"}}}
}

// fits says what of an event is not as its schema.
func fits(schema map[string]object, e map[string]any) []string {
	kind, _ := e["eventType"].(string)
	if kind == "" {
		kind, _ = e["notificationType"].(string)
	}
	o, ok := schema[kind]
	if !ok {
		return []string{fmt.Sprintf("no schema for type %q", kind)}
	}
	return fitsObject(kind, o, e)
}

func fitsObject(path string, o object, v any) (wrong []string) {
	got, ok := v.(map[string]any)
	if !ok {
		return []string{fmt.Sprintf("%s is no object", path)}
	}
	known := map[string]bool{}
	for key, kind := range o {
		name, optional := strings.CutSuffix(key, "?")
		known[name] = true
		value, there := got[name]
		if !there {
			if !optional {
				wrong = append(wrong, path+"."+name+" is missing")
			}
			continue
		}
		wrong = append(wrong, fitsValue(path+"."+name, kind, value)...)
	}
	for name := range got {
		if !known[name] {
			wrong = append(wrong, path+"."+name+" is in no table")
		}
	}
	return wrong
}

func fitsValue(path string, kind, v any) (wrong []string) {
	var ok bool
	switch k := kind.(type) {
	case object:
		return fitsObject(path, k, v)
	case []object:
		list, isList := v.([]any)
		for _, one := range list {
			wrong = append(wrong, fitsObject(path+"[]", k[0], one)...)
		}
		ok = isList
	case string:
		ok = isKind(k, v)
	}
	if !ok {
		wrong = append(wrong, fmt.Sprintf("%s is not of kind %v: %v", path, kind, v))
	}
	return wrong
}

func isKind(kind string, v any) (ok bool) {
	all := func(v any) bool {
		list, ok := v.([]any)
		return ok && !slices.ContainsFunc(list, func(one any) bool { _, ok := one.(string); return !ok })
	}
	switch kind {
	case "string":
		_, ok = v.(string)
	case "null or string":
		_, ok = v.(string)
		ok = ok || v == nil
	case "time":
		text, _ := v.(string)
		_, err := time.Parse("2006-01-02T15:04:05.000Z", text)
		ok = err == nil
	case "bool":
		_, ok = v.(bool)
	case "number":
		_, ok = v.(float64)
	case "strings":
		ok = all(v)
	case "tags":
		tags, isObject := v.(map[string]any)
		ok = isObject
		for _, values := range tags {
			ok = ok && all(values)
		}
	}
	return ok
}
