// Package sns is as much of Amazon SNS as it takes for the ARN of a topic in an
// event destination to lead to a webhook: topics and subscriptions, by the Query
// protocol (api/query). It is a branch of api. Nothing can be published by it but
// the events of mail.
package sns
