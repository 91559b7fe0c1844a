//! PostgreSQL's row-level security as the second fence, against a role that owns the tables and
//! writes its own SQL.

use sqlx::{Connection as _, PgConnection, Row as _};
use wicketgate::{
    clock::Clock as _,
    crypto::TokenDigest,
    names::Label,
    store::{AttemptRecord, OnceBegun, RowSecurity, ScopeUse, Tenant},
};

use crate::{
    store_connections::{stored, tenant, upstream},
    store_once::record as once,
    support::{
        database::{Fixture, NOON},
        operator::Operator,
        upstream::Upstream,
    },
};

const FENCED: [&str; 5] = [
    "credentials",
    "data_keys",
    "connect_attempts",
    "scope_uses",
    "once_calls",
];

/// One row of each fenced table for a tenant.
async fn rows_of(fixture: &Fixture, tenant: Tenant, byte: u8) {
    stored(fixture, tenant).await;
    let attempt = AttemptRecord {
        state: TokenDigest::from_bytes([byte; 32]),
        tenant,
        upstream: upstream(),
        label: Label::default_label(),
        scopes: Vec::new(),
        browser: TokenDigest::from_bytes([byte; 32]),
        created: NOON,
        expires: NOON.plus(std::time::Duration::from_mins(1)),
    };
    fixture.store.insert_attempt(&attempt).await.unwrap();
    let used = ScopeUse {
        tenant,
        upstream: upstream(),
        scope: "read".parse().unwrap(),
        last: fixture.clock.now(),
    };
    fixture.store.note_scope_uses(&[used]).await.unwrap();
    let call = once(fixture, tenant, byte);
    let begun = fixture.store.begin_once(&call).await.unwrap();
    assert_eq!(begun, OnceBegun::Mine);
}

async fn run(connection: &mut PgConnection, sql: &str) -> Result<u64, String> {
    let done = sqlx::raw_sql(sqlx::AssertSqlSafe(sql.to_owned()));
    let done = done.execute(connection).await;
    done.map(|done| done.rows_affected()).map_err(|error| {
        let error = error.into_database_error().expect("a refusal");
        error.code().unwrap_or_default().into_owned()
    })
}

async fn count(connection: &mut PgConnection, sql: &str) -> i64 {
    let row = sqlx::query(sqlx::AssertSqlSafe(sql.to_owned()));
    row.fetch_one(connection).await.unwrap().get(0)
}

/// Raises a fence for the rest of the connection.
async fn raise(connection: &mut PgConnection, fence: &str) {
    let sql = format!("SELECT set_config('wicketgate.tenant', '{fence}', false)");
    run(connection, &sql).await.unwrap();
}

/// A row for `tenant` that is good but for the fence.
fn insert(table: &str, tenant: &str) -> String {
    let (columns, values) = match table {
        "credentials" => (
            "id, upstream, tenant, label, kind, state, generation, data_key, sealed, hint, scopes, \
             shortfalls, expires_ms, created_ms, updated_ms",
            "'crd_x', 'up', $$T$$, 'more', 'grant', 'active', 1, 'dek_x', \
             '\\x00', NULL, '', 0, NULL, 0, 0",
        ),
        "data_keys" => (
            "id, tenant, kek_id, state, wrapped, created_ms",
            "'dek_x', $$T$$, 'k1', 'retired', '\\x00', 0",
        ),
        "connect_attempts" => (
            "state_digest, tenant, upstream, label, scopes, browser, created_ms, expires_ms",
            "'\\x77', $$T$$, 'up', 'l', '', '\\x00', 0, 0",
        ),
        "once_calls" => (
            "digest, tenant, arguments, state, replica, begun_ms, due_ms, ends_ms",
            "'\\x77', $$T$$, '\\x00', 'begun', 'r', 0, 0, 0",
        ),
        _ => ("tenant, upstream, scope, last_ms", "$$T$$, 'up', 'more', 0"),
    };
    let values = values.replace("$$T$$", &format!("'{tenant}'"));
    format!("INSERT INTO {table} ({columns}) VALUES ({values})")
}

/// What a statement may not do behind this fence, in every table, to anybody in `others`.
async fn others_are_out_of_reach(connection: &mut PgConnection, others: &[&str]) {
    for table in FENCED {
        for other in others {
            let of_other = format!("tenant = '{other}'");
            let seen = format!("SELECT COUNT(*) FROM {table} WHERE {of_other}");
            assert_eq!(count(connection, &seen).await, 0, "{table}");
            let change = format!("UPDATE {table} SET tenant = tenant WHERE {of_other}");
            assert_eq!(run(connection, &change).await, Ok(0), "{table}");
            let delete = format!("DELETE FROM {table} WHERE {of_other}");
            assert_eq!(run(connection, &delete).await, Ok(0), "{table}");
            let add = run(connection, &insert(table, other)).await;
            // 42501: new row violates row-level security policy.
            assert_eq!(add, Err("42501".to_owned()), "{table}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn x_10_the_owner_of_the_tables_reads_no_other_tenant() {
    let fixture = Fixture::fenced().await;
    let (alpha, beta) = (tenant(&fixture), tenant(&fixture));
    rows_of(&fixture, alpha, 1).await;
    rows_of(&fixture, beta, 2).await;
    let (alpha, beta) = (alpha.to_string(), beta.to_string());
    let url = fixture.url().unwrap();
    let mut sql = PgConnection::connect(&url).await.unwrap();
    let owned = "SELECT COUNT(*) FROM pg_tables WHERE tableowner = current_user AND tablename IN \
                 ('credentials', 'data_keys', 'connect_attempts', 'scope_uses', 'once_calls')";
    assert_eq!(
        count(&mut sql, owned).await,
        5,
        "the role owns what it is kept from"
    );

    // Nobody's fence: nothing is there.
    let all = |table: &str| format!("SELECT COUNT(*) FROM {table}");
    for table in FENCED {
        assert_eq!(count(&mut sql, &all(table)).await, 0, "{table}");
        assert_eq!(run(&mut sql, &format!("DELETE FROM {table}")).await, Ok(0));
    }
    others_are_out_of_reach(&mut sql, &[&alpha, &beta, "operator"]).await;
    // Somebody else's: as little.
    raise(&mut sql, &alpha).await;
    for table in FENCED {
        assert_eq!(count(&mut sql, &all(table)).await, 1, "{table}");
        let away = format!("UPDATE {table} SET tenant = '{beta}'");
        assert_eq!(
            run(&mut sql, &away).await,
            Err("42501".to_owned()),
            "{table}"
        );
    }
    others_are_out_of_reach(&mut sql, &[&beta, "operator"]).await;
    // A fence that looks like both, or like a pattern, is nobody's.
    for odd in ["%", "", "operator%", &format!("{alpha},{beta}")] {
        raise(&mut sql, odd).await;
        assert_eq!(count(&mut sql, &all("credentials")).await, 0, "{odd}");
    }
    // A fence of one transaction ends with it.
    let one = format!("BEGIN; SELECT set_config('wicketgate.tenant', '{beta}', true); COMMIT");
    run(&mut sql, &one).await.unwrap();
    assert_eq!(count(&mut sql, &all("credentials")).await, 0);
    // The control: nothing was lost, and the rows above were good but for the fence.
    raise(&mut sql, "*").await;
    for table in FENCED {
        assert_eq!(count(&mut sql, &all(table)).await, 2, "{table}");
        let added = run(&mut sql, &insert(table, &beta)).await;
        assert_eq!(added, Ok(1), "{table}");
    }
    sql.close().await.unwrap();
    fixture.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_table_with_a_tenant_is_fenced() {
    let fixture = Fixture::fenced().await;
    let mut sql = PgConnection::connect(&fixture.url().unwrap())
        .await
        .unwrap();
    let tables = sqlx::query(
        "SELECT c.relname::text, c.relrowsecurity AND c.relforcerowsecurity FROM pg_class c \
         JOIN pg_attribute a ON a.attrelid = c.oid WHERE a.attname = 'tenant' AND c.relkind = 'r' \
         AND c.relnamespace = 'public'::regnamespace ORDER BY 1",
    );
    let tables = tables.fetch_all(&mut sql).await.unwrap();
    let tables: Vec<(String, bool)> = tables.iter().map(|row| (row.get(0), row.get(1))).collect();
    for (table, fenced) in &tables {
        assert!(fenced, "{table} has tenants and no fence");
    }
    for table in FENCED {
        assert!(tables.iter().any(|(known, _)| known == table), "{table}");
    }
    sql.close().await.unwrap();
    fixture.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_passes_the_fence_is_noticed() {
    let fixture = Fixture::fenced().await;
    let security = fixture.store.row_security().await.unwrap();
    assert_eq!(security, RowSecurity::Enforced);
    let mut sql = PgConnection::connect(&fixture.url().unwrap())
        .await
        .unwrap();
    let off = "ALTER TABLE data_keys NO FORCE ROW LEVEL SECURITY";
    run(&mut sql, off).await.unwrap();
    let security = fixture.store.row_security().await.unwrap();
    assert_eq!(security, RowSecurity::Bypassed, "the owner would see all");
    sql.close().await.unwrap();
    fixture.remove().await;

    let fixture = Fixture::postgres().await;
    let mut sql = PgConnection::connect(&fixture.url().unwrap())
        .await
        .unwrap();
    let passes = "SELECT CASE WHEN rolsuper OR rolbypassrls THEN 1 ELSE 0 END::bigint \
                  FROM pg_roles WHERE rolname = current_user";
    let passes = count(&mut sql, passes).await == 1;
    let security = fixture.store.row_security().await.unwrap();
    assert_eq!(security == RowSecurity::Bypassed, passes);
    sql.close().await.unwrap();
    fixture.remove().await;

    let fixture = Fixture::sqlite().await;
    let security = fixture.store.row_security().await.unwrap();
    assert_eq!(security, RowSecurity::NotOffered);
    fixture.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn serve_says_when_the_fence_is_passed() {
    let upstream = Upstream::start().await;
    for (fixture, said) in [
        (Fixture::fenced().await, RowSecurity::Enforced),
        (Fixture::postgres().await, RowSecurity::Bypassed),
    ] {
        if fixture.store.row_security().await.unwrap() != said {
            // A server of the tests' own user may not be a superuser's.
            fixture.remove().await;
            continue;
        }
        let operator = Operator::of(&upstream, fixture.url().as_deref(), |_| {});
        let mut gateway = operator.serve().await;
        let warned = gateway.stderr().contains("store.row_security_bypassed");
        assert_eq!(
            warned,
            said == RowSecurity::Bypassed,
            "{}",
            gateway.stderr()
        );
        assert_eq!(gateway.stop().await, Some(0));
        fixture.remove().await;
    }
}
