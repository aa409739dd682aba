! SPDX-License-Identifier: BSD-2-Clause
! Memory of a chosen kind, for Fortran: the C functions of memkind.h and hbwmalloc.h, and arrays in a kind.
!
!   use memkind
!   type(memkind_t) :: fast
!   real(8), pointer :: a(:)
!   fast = memkind_static('MEMKIND_HBW_PREFERRED')
!   call memkind_allocate(fast, a, 1000_int64, status)
!   ...
!   call memkind_deallocate(a)
!
! status is 0, or ENOMEM (12) when the kind has not enough memory, or EINVAL (22) for what is no kind; the pointer is
! then not associated. All may be called from any thread.
module memkind
    use, intrinsic :: iso_c_binding
    use, intrinsic :: iso_fortran_env, only: int32, int64, real32, real64
    implicit none
    private

    type, public :: memkind_t
        type(c_ptr) :: handle = c_null_ptr
    end type memkind_t

    integer, parameter, public :: enomem = 12, einval = 22

    public :: memkind_static, memkind_available, memkind_allocate, memkind_deallocate
    public :: hbw_available, memkind_malloc, memkind_free, memkind_get_version

    interface
        function memkind_malloc(kind, size) bind(c, name='memkind_malloc') result(block)
            import :: c_ptr, c_size_t
            type(c_ptr), value :: kind
            integer(c_size_t), value :: size
            type(c_ptr) :: block
        end function memkind_malloc
        subroutine memkind_free(kind, block) bind(c, name='memkind_free')
            import :: c_ptr
            type(c_ptr), value :: kind, block
        end subroutine memkind_free
        function memkind_get_version() bind(c, name='memkind_get_version') result(version)
            import :: c_int
            integer(c_int) :: version
        end function memkind_get_version
        function c_check_available(kind) bind(c, name='memkind_check_available') result(code)
            import :: c_ptr, c_int
            type(c_ptr), value :: kind
            integer(c_int) :: code
        end function c_check_available
        function c_hbw_check_available() bind(c, name='hbw_check_available') result(code)
            import :: c_int
            integer(c_int) :: code
        end function c_hbw_check_available
        function c_dlsym(library, name) bind(c, name='dlsym') result(address)
            import :: c_ptr, c_char
            type(c_ptr), value :: library
            character(kind=c_char), intent(in) :: name(*)
            type(c_ptr) :: address
        end function c_dlsym
    end interface

    !> An array of n elements in a kind. It starts at index 1, and its contents are undefined.
    interface memkind_allocate
        module procedure allocate_int32, allocate_int64, allocate_real32, allocate_real64
    end interface memkind_allocate

    !> Frees an array that memkind_allocate gave; one that is not associated is left alone.
    interface memkind_deallocate
        module procedure deallocate_int32, deallocate_int64, deallocate_real32, deallocate_real64
    end interface memkind_deallocate

contains

    !> A static kind by the name of its variable; its handle is null if there is none of that name.
    function memkind_static(name) result(kind)
        character(*), intent(in) :: name
        type(memkind_t) :: kind
        type(c_ptr) :: address
        type(c_ptr), pointer :: variable
        ! Other symbols of the program are no kinds.
        if (index(name, 'MEMKIND_') /= 1) return
        address = c_dlsym(c_null_ptr, trim(name) // c_null_char)
        if (c_associated(address)) then
            call c_f_pointer(address, variable)
            kind%handle = variable
        end if
    end function memkind_static

    !> Whether this machine has memory of a kind.
    logical function memkind_available(kind)
        type(memkind_t), intent(in) :: kind
        memkind_available = c_check_available(kind%handle) == 0
    end function memkind_available

    !> Whether this machine has high-bandwidth memory.
    logical function hbw_available()
        hbw_available = c_hbw_check_available() == 0
    end function hbw_available

    function block_of(kind, n, bytes, status) result(block)
        type(memkind_t), intent(in) :: kind
        integer(int64), intent(in) :: n
        integer, intent(in) :: bytes
        integer, intent(out) :: status
        type(c_ptr) :: block
        block = c_null_ptr
        status = einval
        if (.not. c_associated(kind%handle) .or. n < 0) return
        status = enomem
        if (n > huge(n) / bytes) return
        ! An array of no elements has a block too.
        block = memkind_malloc(kind%handle, int(max(n * bytes, 1_int64), c_size_t))
        if (c_associated(block)) status = 0
    end function block_of

    subroutine allocate_int32(kind, array, n, status)
        type(memkind_t), intent(in) :: kind
        integer(int32), pointer, intent(out) :: array(:)
        integer(int64), intent(in) :: n
        integer, intent(out) :: status
        type(c_ptr) :: block
        nullify (array)
        block = block_of(kind, n, 4, status)
        if (status == 0) call c_f_pointer(block, array, [n])
    end subroutine allocate_int32

    subroutine allocate_int64(kind, array, n, status)
        type(memkind_t), intent(in) :: kind
        integer(int64), pointer, intent(out) :: array(:)
        integer(int64), intent(in) :: n
        integer, intent(out) :: status
        type(c_ptr) :: block
        nullify (array)
        block = block_of(kind, n, 8, status)
        if (status == 0) call c_f_pointer(block, array, [n])
    end subroutine allocate_int64

    subroutine allocate_real32(kind, array, n, status)
        type(memkind_t), intent(in) :: kind
        real(real32), pointer, intent(out) :: array(:)
        integer(int64), intent(in) :: n
        integer, intent(out) :: status
        type(c_ptr) :: block
        nullify (array)
        block = block_of(kind, n, 4, status)
        if (status == 0) call c_f_pointer(block, array, [n])
    end subroutine allocate_real32

    subroutine allocate_real64(kind, array, n, status)
        type(memkind_t), intent(in) :: kind
        real(real64), pointer, intent(out) :: array(:)
        integer(int64), intent(in) :: n
        integer, intent(out) :: status
        type(c_ptr) :: block
        nullify (array)
        block = block_of(kind, n, 8, status)
        if (status == 0) call c_f_pointer(block, array, [n])
    end subroutine allocate_real64

    subroutine deallocate_int32(array)
        integer(int32), pointer, intent(inout) :: array(:)
        if (associated(array)) call memkind_free(c_null_ptr, c_loc(array))
        nullify (array)
    end subroutine deallocate_int32

    subroutine deallocate_int64(array)
        integer(int64), pointer, intent(inout) :: array(:)
        if (associated(array)) call memkind_free(c_null_ptr, c_loc(array))
        nullify (array)
    end subroutine deallocate_int64

    subroutine deallocate_real32(array)
        real(real32), pointer, intent(inout) :: array(:)
        if (associated(array)) call memkind_free(c_null_ptr, c_loc(array))
        nullify (array)
    end subroutine deallocate_real32

    subroutine deallocate_real64(array)
        real(real64), pointer, intent(inout) :: array(:)
        if (associated(array)) call memkind_free(c_null_ptr, c_loc(array))
        nullify (array)
    end subroutine deallocate_real64
end module memkind
