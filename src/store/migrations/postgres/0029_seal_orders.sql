-- Orders at a maker elsewhere: one for each application whose seal the national system makes. They say which seal is wanted
-- of whom, so each carries an integrity value. `number` is the maker's; `detail` the reason of a refusal or a withdrawal; the
-- seal and its certificates (DER, one OCTET STRING behind another) lie here from their arrival until they are kept.
CREATE TABLE seal_orders (
    application TEXT PRIMARY KEY REFERENCES seal_applications (id),
    seal TEXT NOT NULL UNIQUE,
    request BYTEA NOT NULL,
    ordered_at BIGINT NOT NULL,
    state TEXT NOT NULL
        CHECK (state IN ('ordered', 'accepted', 'arrived', 'kept', 'refused', 'withdrawn', 'cancelled')),
    since BIGINT NOT NULL,
    number TEXT,
    detail TEXT,
    seal_sm3 BYTEA,
    seal_der BYTEA,
    certificates BYTEA,
    version BIGINT NOT NULL,
    integrity BYTEA NOT NULL,
    CHECK ((state IN ('arrived', 'kept')) = (seal_sm3 IS NOT NULL)),
    CHECK ((state IN ('refused', 'withdrawn', 'cancelled')) = (detail IS NOT NULL)),
    CHECK (state <> 'arrived' OR (seal_der IS NOT NULL AND certificates IS NOT NULL))
);
CREATE INDEX seal_orders_arrived ON seal_orders (since) WHERE state = 'arrived';

-- What an office elsewhere is to be told: written in the transaction of what it tells, sent after it, those of one subject
-- in their order. `name` is the message's own, the same however often it is sent. A row that ended stays.
CREATE TABLE office_messages (
    id TEXT PRIMARY KEY,
    name BYTEA NOT NULL UNIQUE,
    office TEXT NOT NULL,
    subject TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('order', 'cancel', 'state', 'file')),
    detail TEXT,
    reason TEXT,
    created_at BIGINT NOT NULL,
    attempts BIGINT NOT NULL,
    next_at BIGINT NOT NULL,
    ended_at BIGINT,
    outcome TEXT,
    CHECK ((ended_at IS NULL) = (outcome IS NULL))
);
CREATE INDEX office_messages_due ON office_messages (office, next_at) WHERE ended_at IS NULL;
CREATE INDEX office_messages_of_subject ON office_messages (office, subject, id) WHERE ended_at IS NULL;

-- How far the changes of an office are known here, when it answered last, since when it has not, and when that was alarmed.
CREATE TABLE office_places (
    office TEXT PRIMARY KEY,
    known_to BIGINT NOT NULL,
    asked_at BIGINT NOT NULL,
    silent_since BIGINT,
    alarmed_at BIGINT
);
