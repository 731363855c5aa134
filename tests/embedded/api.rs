//! What others may ask of a process: only of partitions that it serves, only what is committed, and never so that a
//! lane waits.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::routing::{MethodFilter, on};
use serde_json::{Value, json};
use testkit::lane_world::*;
use tideline::api::{ApiState, Json, Query, QueryError, ROUTES, Route, Server, ServerSettings, UserView};
use tideline::broker::memory::Fault;
use tideline::domain::{PartitionId, UserId};
use tideline::engine::{TableCursor, TableSlice};
use tideline::runtime::board::status::Phase;

fn query(world: &World) -> Query {
    Query::new(world.registry.clone(), world.job.engine.rules().clone())
}

/// A payment each of `count` users of a partition.
fn pay(world: &World, partition: PartitionId, count: usize, id: &str, ms: i64) -> Vec<String> {
    let users = users_on(partition, world.options.partitions, count);
    users.iter().for_each(|user| world.feed(APP, &payment(user, &format!("{user}-{id}"), ms)));
    users
}

fn id(user: &str) -> UserId {
    UserId::new(user).unwrap()
}

/// The users of a walk, with what `between` does after each slice.
fn walk(query: &Query, partition: PartitionId, mut between: impl FnMut()) -> Result<Vec<UserView>, QueryError> {
    let (mut walk, mut all) = (query.users(partition)?, Vec::new());
    while let Some(views) = walk.next_slice()? {
        assert!(views.len() <= TableSlice::MAX_PLACES);
        all.extend(views);
        between();
    }
    Ok(all)
}

#[test]
fn a_partition_can_be_asked_about_while_it_is_served() {
    let world = World::new(|_| {});
    let user = &pay(&world, P0, 1, "e", 0)[0];
    let query = query(&world);
    assert_eq!(query.user(P0, &id(user)), Err(QueryError::NotServed(P0)), "before the lane has begun");
    let mut lane = world.lane(0);
    world.drain(&mut lane);
    assert_eq!(query.partitions(), [P0, P1]);
    assert!(query.user(P0, &id(user)).unwrap().is_some());
    assert_eq!(query.user(P0, &id("nobody")), Ok(None));

    // Revoked, it may be another's.
    world.broker.rebalance();
    world.step_until(&mut lane, "revoked", |world| world.context.board.read(|status| status.lanes[&0].parked) == 2);
    assert_eq!(query.user(P0, &id(user)), Err(QueryError::NotServed(P0)));
    assert!(query.partitions().is_empty());
    // Given back, it is served from what was kept.
    world.step_until(&mut lane, "given back", |world| world.context.board.read(|status| status.lanes[&0].returns) == 2);
    assert!(query.user(P0, &id(user)).unwrap().is_some());

    // Lost, it is restored anew before it is asked about.
    world.broker.inject(Fault::PartitionLost);
    world.step_until(&mut lane, "lost", |_| query.partitions().is_empty());
    world.step_until(&mut lane, "restored", |_| query.partitions() == [P0, P1]);
    assert!(query.user(P0, &id(user)).unwrap().is_some());

    drop(lane);
    assert!(query.partitions().is_empty(), "a lane that has ended serves nothing");
}

#[test]
fn a_partition_that_is_left_unserved_can_not_be_asked_about() {
    let world = World::new(|options| (options.partitions, options.rules.generation) = (1, 2));
    let user = &pay(&world, P0, 1, "e", 0)[0];
    world.drain(&mut world.lane(0));
    let older = world.again(1, |options| options.rules.generation = 1);
    let mut lane = older.lane(0);
    let is_unserved = |world: &World| {
        world
            .context
            .board
            .read(|status| matches!(status.partitions.get(&P0), Some(it) if matches!(it.phase, Phase::Unserved(_))))
    };
    older.step_until(&mut lane, "unserved", is_unserved);
    assert_eq!(query(&older).user(P0, &id(user)), Err(QueryError::NotServed(P0)));
}

#[test]
fn two_lanes_share_a_registry_each_with_its_own_partitions() {
    let world = World::new(|_| {});
    let users: Vec<_> = [P0, P1].map(|partition| pay(&world, partition, 1, "e", 0).remove(0)).into();
    let (mut first, mut second) = (world.lane(0), world.lane(1));
    for _ in 0..5_000 {
        world.time.advance_ms(1);
        first.step().unwrap();
        second.step().unwrap();
    }
    assert_eq!(world.lag(), 0);
    let query = query(&world);
    for (partition, user) in [P0, P1].into_iter().zip(&users) {
        assert!(query.user(partition, &id(user)).unwrap().is_some(), "partition {partition}");
    }
    second.close();
    assert_eq!(query.partitions().len(), 1, "those of the lane that goes on");
}

#[test]
fn an_answer_shows_whole_batches_that_are_committed() {
    let world = World::new(|options| options.partitions = 1);
    let users = pay(&world, P0, 700, "a", 0);
    let mut lane = world.lane(0);
    world.drain(&mut lane);
    let query = query(&world);
    let view = query.user(P0, &id(&users[0])).unwrap().unwrap();
    let expected = json!({
        "user_id": users[0], "tier": view.tier, "stage": "active", "sequence": view.sequence,
        "registered": null, "newest_event": view.newest_event, "next_deadline": view.next_deadline,
    });
    assert_eq!(serde_json::to_value(&view).unwrap(), expected);
    assert_eq!(view.newest_event.unwrap().millis(), payment("", "", 0).ms);

    // What was folded is not shown before its transaction is known as committed.
    pay(&world, P0, 1, "b", 1);
    world.broker.inject(Fault::OutcomeUnknown { applied: false });
    world.step_until(&mut lane, "the fault", |world| world.broker.waiting_faults().is_empty());
    assert_eq!(query.user(P0, &id(&users[0])), Ok(Some(view.clone())));
    world.drain(&mut lane);
    assert_ne!(query.user(P0, &id(&users[0])), Ok(Some(view)));
}

/// All on one thread: a walk that held a lock over a step would never end.
#[test]
fn a_lane_goes_on_between_the_slices_of_a_walk() {
    let world = World::new(|options| options.partitions = 1);
    let users = pay(&world, P0, 700, "a", 0);
    let mut lane = world.lane(0);
    world.drain(&mut lane);
    let query = query(&world);
    let (mut batches, mut slices) = (0, 0);
    let committed = || world.context.board.read(|status| status.lanes[&0].transactions.committed);
    let before = committed();
    let mut held = TableSlice::default();
    world.registry.table(P0).unwrap().read_slice(TableCursor::default(), &mut held);
    let seen = walk(&query, P0, || {
        slices += 1;
        batches += 1;
        pay(&world, P0, 900, &format!("more{batches}"), batches);
        world.drain(&mut lane);
    });
    assert_eq!(slices, 4, "of 256 places each, for 900 users at the end");
    assert!(committed() >= before + 4, "nothing was committed meanwhile");
    let seen: Vec<_> = seen.unwrap().into_iter().map(|view| view.user_id).collect();
    for user in &users {
        assert_eq!(seen.iter().filter(|it| *it == user).count(), 1, "{user} was there all the while");
    }
    assert_eq!(held.len(), TableSlice::MAX_PLACES, "a slice stays as it was read");
}

#[test]
fn a_walk_ends_with_an_error_when_its_partition_goes_and_keeps_no_state_of_it() {
    let world = World::new(|options| options.partitions = 1);
    pay(&world, P0, 700, "a", 0);
    let mut lane = world.lane(0);
    world.drain(&mut lane);
    let query = query(&world);
    let table = Arc::downgrade(&world.registry.table(P0).unwrap());
    let mut walk = query.users(P0).unwrap();
    assert_eq!(walk.next_slice().unwrap().unwrap().len(), TableSlice::MAX_PLACES);
    world.broker.inject(Fault::PartitionLost);
    world.step_until(&mut lane, "lost", |_| query.partitions().is_empty());
    assert_eq!(walk.next_slice(), Err(QueryError::NotServed(P0)));
    world.step_until(&mut lane, "restored", |_| query.partitions() == [P0]);
    assert_eq!(walk.next_slice(), Err(QueryError::NotServed(P0)), "another table, with other places");
    assert!(table.upgrade().is_none(), "the walk keeps the lost table in memory");
}

#[test]
fn an_erased_user_is_gone_from_answers() {
    let world = World::new(|options| options.partitions = 1);
    let users = pay(&world, P0, 2, "a", 0);
    world.feed(APP, &Told { kind: "user.erased", ..payment(&users[0], "erased", 1) });
    let mut lane = world.lane(0);
    world.drain(&mut lane);
    let query = query(&world);
    assert_eq!(query.user(P0, &id(&users[0])), Ok(None));
    let walked: Vec<_> = walk(&query, P0, || {}).unwrap().into_iter().map(|view| view.user_id).collect();
    assert_eq!(walked, [users[1].as_str()]);
}

/// Status and body of a page.
pub fn get(address: SocketAddr, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    // Without an answer the test fails, and doesn't hang.
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

fn server(world: &World, routes: &[Route]) -> Server {
    let state =
        ApiState::new(&world.job, world.context.board.clone(), world.registry.clone(), world.context.clock.clone());
    let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    Server::start(ServerSettings { listen, ..ServerSettings::default() }, state, routes).unwrap()
}

#[test]
fn the_routes_answer_on_a_free_port_until_the_server_is_dropped() {
    let server = server(&World::new(|_| {}), ROUTES);
    let address = server.address();
    assert_eq!(get(address, "/livez"), (200, "alive\n".to_owned()));
    assert_eq!(get(address, "/readyz"), (503, "no lane has started yet\n".to_owned()));
    let (code, text) = get(address, "/metrics");
    assert!(code == 200 && text.contains("\ntideline_ready 0\n"), "{text}");
    assert_eq!(get(address, "/other").0, 404);
    drop(server);
    assert!(TcpStream::connect(address).is_err());
}

#[test]
fn a_port_that_is_taken_is_named() {
    let world = World::new(|_| {});
    let first = server(&world, ROUTES);
    let state =
        ApiState::new(&world.job, world.context.board.clone(), world.registry.clone(), world.context.clock.clone());
    let error = Server::start(ServerSettings { listen: first.address(), ..ServerSettings::default() }, state, ROUTES)
        .unwrap_err()
        .to_string();
    assert_eq!(error, format!("cannot listen on {} (telemetry.listen)", first.address()));
}

#[test]
fn the_operators_page_lists_every_route() {
    let page = include_str!("../../docs/operations.md");
    for route in ROUTES {
        let row = format!("| `{}` | {} |", route.path, route.doc);
        assert!(page.contains(&row), "docs/operations.md lacks the line\n{row}");
    }
}

/// A read-only question over HTTP is a row and its handler.
const USER: Route = Route {
    method: MethodFilter::GET,
    path: "/test/users/{partition}/{id}",
    doc: "a user as committed",
    handler: |method| on(method, user),
};

async fn user(
    State(state): State<Arc<ApiState>>,
    Path((partition, user)): Path<(i32, String)>,
) -> Result<Json<UserView>, QueryError> {
    let user = UserId::new(&user).map(|user| state.query.user(PartitionId(partition), &user));
    user.transpose().map(Option::flatten).map(Json)
}

#[test]
fn a_query_needs_a_row_and_a_handler() {
    let world = World::new(|options| options.partitions = 1);
    let users = pay(&world, P0, 1, "a", 0);
    let mut lane = world.lane(0);
    world.drain(&mut lane);
    let server = server(&world, &[ROUTES, &[USER]].concat());
    let ask = |partition: i32, user: &str| get(server.address(), &format!("/test/users/{partition}/{user}"));
    let (code, body) = ask(0, &users[0]);
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((code, &body["user_id"], &body["stage"]), (200, &json!(users[0]), &json!("active")));
    assert_eq!(ask(0, "nobody"), (404, "not known\n".to_owned()));
    assert_eq!(ask(5, &users[0]), (404, "partition 5 is not served by this process\n".to_owned()));
    drop(lane);
    assert_eq!(ask(0, &users[0]).0, 404, "nothing is served any more");
}
